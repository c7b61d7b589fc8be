"""``governd delegation verify``: whether a receiver would take a token, offline."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rich.console import RenderableType
from rich.text import Text

from governd.cli import acting_as_input, acting_as_text, input_file, output
from governd.cli.failure import NO
from governd.cli.printable import clean
from governd.delegation.binding import BindingLevel
from governd.delegation.expectations import Arrival, Expectations, IssuerRule
from governd.delegation.opening import Opener
from governd.delegation.rejection import Rejected
from governd.delegation.replay import UsedTokens
from governd.delegation.verification import Receiver, Verified
from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.identity.verification import Verifier

_LEVELS = {level.name.lower().replace("_", "-"): level for level in BindingLevel}


@click.command(short_help="Verify a token offline.")
@acting_as_input.token_argument
@click.option(
    "--bundle",
    "bundles",
    metavar="[DOMAIN=]FILE",
    multiple=True,
    required=True,
    help="Authorities of a trust domain in PEM; without DOMAIN, of the audience's.",
)
@click.option("--audience", required=True, metavar="ID", help="SPIFFE ID of who received it.")
@click.option(
    "--signer",
    "signers",
    metavar="ID",
    multiple=True,
    help="Who may sign, with all below it. Default: /governd/signer of the audience's domain.",
)
@click.option("--peer", metavar="ID", help="SPIFFE ID of who sent it.")
@acting_as_input.request_options
@click.option(
    "--least-binding",
    type=click.Choice(list(_LEVELS)),
    default="request",
    show_default=True,
    help="What is tied less is rejected.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(
    token_file: str,
    *,
    bundles: Sequence[str],
    audience: str,
    signers: Sequence[str],
    peer: str | None,
    method: str | None,
    uri: str | None,
    body: str | None,
    least_binding: str,
    as_json: bool,
) -> int:
    r"""Verify a token as its audience does, with the trust bundle and nothing else.

    Nobody is asked. Whether the token was used before, or is revoked, only the receiver
    itself can tell.

    Exit code:
      0 verified, 1 rejected, 2 usage.

    JSON:
      verified (true or false); with true: binding (unsafe-none, caller, request, body),
      digest, and as 'governd delegation show'; with false: reason, detail.

    Examples:
      governd delegation verify token.jwt --bundle ca.pem \
          --audience spiffe://example.org/agent/tools \
          --peer spiffe://example.org/agent/planner \
          --method POST --uri https://tools.example.org/mcp --body request.json
      spire-server bundle show | governd delegation verify token.jwt --bundle - \
          --audience spiffe://example.org/agent/tools --least-binding unsafe-none
    """
    receiver = _spiffe_id(audience, "--audience")
    trusted = dict(_bundle(each, receiver.trust_domain) for each in bundles)
    rules = tuple(IssuerRule(_spiffe_id(each, "--signer")) for each in signers) or (
        IssuerRule(SpiffeId.parse(f"spiffe://{receiver.trust_domain}/governd/signer")),
    )
    came = Arrival(
        peer=None if peer is None else _spiffe_id(peer, "--peer"),
        request=acting_as_input.request(method, uri, body),
    )
    found = Receiver(Opener(Verifier(trusted)), UsedTokens()).receive(
        input_file.read_token(token_file).reveal().decode(),
        Expectations(frozenset({receiver}), rules, _LEVELS[least_binding]),
        came,
        datetime.now(UTC),
    )
    _show(found, as_json=as_json)
    return 0 if isinstance(found, Verified) else NO


def _show(found: Verified | Rejected, *, as_json: bool) -> None:
    if as_json:
        output.show_json(to_json(found))
    elif isinstance(found, Verified):
        output.show(*words(found, datetime.now(UTC)))
    else:
        rejected = output.text(found.reason.name, output.BAD)
        output.show(Text.assemble("rejected  ", rejected, output.text(f"  {found.message}")))


def to_json(found: Verified | Rejected) -> dict[str, object]:
    """What was found, under stable keys."""
    if isinstance(found, Rejected):
        return {"verified": False, "reason": found.reason.name, "detail": found.message}
    return {
        "verified": True,
        "binding": _word(found.binding),
        "digest": found.digest,
        **acting_as_text.to_json(found.token),
    }


def words(found: Verified, now: datetime) -> Iterator[RenderableType]:
    """What was verified, for people."""
    bound = output.text(f"  tied: {_word(found.binding)}")
    yield Text.assemble(("verified", output.GOOD), bound)
    yield output.gap()
    yield from acting_as_text.chain(found.token)
    yield output.gap()
    yield output.facts(acting_as_text.facts(found.token, now))


def _word(level: BindingLevel) -> str:
    return level.name.lower().replace("_", "-")


def _bundle(given: str, domain: str) -> tuple[str, list[bytes]]:
    """A trust domain and the DER of its authorities."""
    name, equals, path = given.partition("=")
    if equals:
        domain = _spiffe_id(f"spiffe://{name}/x", "--bundle").trust_domain
    content = input_file.read_file(path if equals else given, "--bundle")
    try:
        found = x509.load_pem_x509_certificates(content)
    except ValueError:
        input_file.refuse("--bundle", f"expected certificates in PEM in {clean(given)}")
    return domain, [one.public_bytes(Encoding.DER) for one in found]


def _spiffe_id(text: str, option: str) -> SpiffeId:
    try:
        return SpiffeId.parse(text, field=option)
    except RequestError as error:
        input_file.refuse(option, str(error))

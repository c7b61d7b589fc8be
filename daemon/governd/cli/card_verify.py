"""``governd card verify``: who vouches for a card, and whether it would be an agent's own."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import RenderableType

from governd.application.agent_trust import AgentTrust
from governd.cli import card_show, options, output, policy_source
from governd.cli.failure import NO, Failure
from governd.cli.tool_visible import visible
from governd.errors import PolicyError, RequestError
from governd.identity import SpiffeId
from governd.identity.verification import Verifier
from governd.identity.x509_rules import der_of
from governd.kya.card import AgentCard
from governd.kya.card_keys import CardKeys, PinnedKey
from governd.kya.kept_agent import KeptAgent
from governd.kya.problems import problems_of
from governd.kya.registered_agent import RegisteredAgent

_NOBODY = SpiffeId("unknown.invalid", "/unknown")
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command(short_help="Say who vouches for an agent card.")
@click.argument("file", type=card_show.FILE)
@click.option("--policy", type=_FOLDER, help="Policy directory whose [kya] says who is trusted.")
@click.option(
    "--key",
    "keys",
    type=card_show.FILE,
    multiple=True,
    help="A key of the card's provider, a public JWK; instead of --policy.",
)
@click.option("--caller", metavar="SPIFFE_ID", help="The agent that would present it.")
@click.option(
    "--bundle", type=card_show.FILE, help="Trust bundle of the caller's trust domain, PEM."
)
@options.as_json()
def verify(
    *,
    file: Path,
    policy: Path | None,
    keys: Sequence[Path],
    caller: str | None,
    bundle: Path | None,
    as_json: bool,
) -> int:
    """Verify a card's signatures as governd would, now, with no daemon.

    Without --caller: whether a key of the card's provider signed it. With it: which level an
    agent of that SPIFFE ID would have that presents it first, without an attestation. For
    cards that are signed with the agent's own X.509-SVID, state its trust --bundle.

    Exit code:
      0 somebody trusted vouches for it, and with --caller it would be the agent's own,
      1 not, or governd would refuse the card, 2 usage.

    JSON:
      as 'governd card show', and signature (UNSIGNED, UNVERIFIABLE, UNTRUSTED_KEY, FAILED,
      VERIFIED), key_id, thumbprint, level (0 to 3; null without --caller), problems.

    Examples:
      governd card verify agent-card.json --policy /etc/governd/policy
      governd card verify agent-card.json --key acme.jwk.json --json | jq -r .signature
      governd card verify agent-card.json --policy policy --caller "$ID" --bundle roots.pem
    """
    if (policy is None) == (not keys):
        message = "state either --policy or --key"
        raise click.UsageError(message, click.get_current_context(silent=True))
    card, who = card_show.read(file), _caller(caller)
    trust = _of_policy(policy) if policy else _of_keys(card, keys)
    now = datetime.now(UTC)
    kept = KeptAgent.presented(who or _NOBODY, card)
    found = trust.assess(kept, _verifier(who, bundle), now)
    counts = bool(found.level(now)) if who else found.vouched.counts(now)
    if as_json:
        output.show_json(to_json(found, now, stated=who is not None))
    else:
        output.show(output.facts(facts(found, now, stated=who is not None)))
    return 0 if counts else NO


def to_json(found: RegisteredAgent, now: datetime, *, stated: bool) -> dict[str, object]:
    """What was found under stable keys."""
    return {
        **card_show.to_json(found.card),
        "signature": found.vouched.status.name,
        "key_id": found.vouched.key_id,
        "thumbprint": found.vouched.thumbprint,
        "level": int(found.level(now)) if stated else None,
        "problems": list(_problems(found, now, stated=stated)),
    }


def facts(
    found: RegisteredAgent, now: datetime, *, stated: bool
) -> Iterator[tuple[str, RenderableType]]:
    """What was found, row by row."""
    yield from card_show.facts(found.card)
    good = found.vouched.counts(now)
    word = found.vouched.status.name.lower().replace("_", " ")
    said = f"{word} {visible(found.vouched.key_id)}".rstrip()
    yield "signature", output.text(said, output.GOOD if good else output.BAD)
    if stated:
        level = found.level(now)
        yield "level", output.text(f"{level:d}", output.GOOD if level else output.BAD)
    for problem in _problems(found, now, stated=stated):
        yield "problem", output.text(visible(problem), output.WARN)


def _problems(found: RegisteredAgent, now: datetime, *, stated: bool) -> Iterator[str]:
    for problem in problems_of(found, now):
        if stated or not problem.startswith("card: "):  # whose card it is was not asked
            yield problem


def _caller(text: str | None) -> SpiffeId | None:
    try:
        return SpiffeId.parse(text, field="--caller") if text is not None else None
    except RequestError as error:
        raise click.UsageError(str(error), click.get_current_context(silent=True)) from error


def _of_policy(directory: Path) -> AgentTrust:
    try:
        _, compiled = policy_source.compile_files(policy_source.read_files(directory))
    except PolicyError as error:
        report = [str(one) for one in policy_source.located(directory, error.problems)]
        message = f"the policy in {directory} is refused"
        raise Failure(message, exit_code=NO, report=report) from error
    return AgentTrust.of(compiled.manifest.kya)


def _of_keys(card: AgentCard, files: Sequence[Path]) -> AgentTrust:
    return AgentTrust(CardKeys(_key(card, file) for file in files), (), ())


def _key(card: AgentCard, file: Path) -> PinnedKey:
    try:
        return PinnedKey.parse(card.provider, file.read_bytes())
    except (OSError, ValueError) as error:
        message = f"--key: {file}: {error}"
        raise click.UsageError(message, click.get_current_context(silent=True)) from error


def _verifier(caller: SpiffeId | None, bundle: Path | None) -> Verifier:
    if bundle is None:
        return Verifier({})
    try:
        roots = der_of(bundle.read_bytes())
    except (OSError, ValueError) as error:
        message = f"--bundle: {bundle}: {error}"
        raise click.UsageError(message, click.get_current_context(silent=True)) from error
    return Verifier({caller.trust_domain: roots} if caller else {})

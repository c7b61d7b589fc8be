"""``governd delegation show``: the chain that a token claims."""

from datetime import UTC, datetime

import click

from governd.cli import acting_as_input, acting_as_text, input_file, output
from governd.cli.failure import NO, Failure
from governd.delegation.acting_as import MAX_TOKEN_BYTES, TYPE, ActingAs
from governd.delegation.claims import read_claims
from governd.delegation.texts import refuse
from governd.errors import RequestError
from governd.identity import jose
from governd.identity.secret import Secret


@click.command(short_help="Draw the chain that a token claims.")
@acting_as_input.token_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(token_file: str, *, as_json: bool) -> None:
    """Draw the chain that a token claims: user, actors, who is called, times, ties.

    Nothing is verified: anybody can write anything into a token. FILE has the token; - reads
    standard input.

    Exit code:
      0 drawn, 1 no acting-as token, 2 usage.

    JSON:
      verified (always false), user, user_issuer, actors (the current one first), audience,
      scopes, authorization_details, request (method, uri, query_digest, body_digest; null for
      none), issued_at, expires_at (RFC 3339), signer, token_id, transaction, max_depth,
      certificate, parent (each null for none), kya_level, kya_attestation (its jti; null for
      none), policy_digest, decision_id.

    Examples:
      governd delegation show token.jwt
      governd delegation show - --json < token.jwt | jq -r '.actors[]'
    """
    token = read(input_file.read_token(token_file))
    if as_json:
        output.show_json({"verified": False, **acting_as_text.to_json(token)})
        return
    warning = "not verified: this is what the token claims; see 'governd delegation verify'"
    output.show(output.text(warning, output.WARN), output.gap(), *acting_as_text.chain(token))
    output.show(output.gap(), output.facts(acting_as_text.facts(token, datetime.now(UTC))))


def read(text: Secret) -> ActingAs:
    """What a token claims, its signature unseen.

    Raises:
        Failure: It is no acting-as token.
    """
    try:
        return _read(text.reveal())
    except (RequestError, ValueError) as error:
        why = str(error) if isinstance(error, RequestError) else "does not parse"
        message = f"this is no acting-as token: {why}"
        raise Failure(message, exit_code=NO) from None


def _read(text: bytes) -> ActingAs:
    if len(text) > MAX_TOKEN_BYTES:
        refuse("token", f"has more than {MAX_TOKEN_BYTES} bytes")
    header, payload, _ = text.split(b".")
    if jose.read_object(jose.decode(header)).get("typ") != TYPE:
        refuse("typ", f"expected {TYPE}")
    return read_claims(jose.decode(payload))

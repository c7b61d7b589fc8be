"""``governd upstream jwks``: the public half of a client key, for an authorization server."""

import json
from collections.abc import Iterator

import click
from rich.console import RenderableType

from governd.cli import input_file, output
from governd.identity.secret import Secret
from governd.tokens.client_key import ClientKey, read_client_key


@click.command(short_help="Print the public half of a client key.")
@click.argument("key_file", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def jwks(key_file: str, *, as_json: bool) -> None:
    """Print the public half of a private key, as authorization servers register it.

    FILE is what [[tokens.client_key]] of the configuration names: a private key in PEM of
    P-256, P-384, Ed25519, or RSA of 2048 bits or more; - reads standard input. Nothing of
    the private half is printed. The "kid" is the key's thumbprint (RFC 7638).

    Exit code:
      0 printed, 2 usage, or no key that may be used.

    JSON:
      a JWKS (RFC 7517): keys, one, with kty, kid, alg, use, and what is public of its kind.

    Examples:
      governd upstream jwks /etc/governd/corp.pem
      governd upstream jwks /etc/governd/corp.pem --json > governd.jwks
    """
    key = _read(key_file)
    if as_json:
        output.show_json(key.public_jwks())
    else:
        output.show(*words(key))


def _read(key_file: str) -> ClientKey:
    try:
        return read_client_key(Secret(input_file.read_file(key_file, "FILE")))
    except ValueError as error:
        input_file.refuse("FILE", str(error))


def words(key: ClientKey) -> Iterator[RenderableType]:
    """The key for people, and the JWKS for whoever registers it."""
    yield output.facts([("kid", key.key_id), ("signs with", key.algorithm)])
    yield output.gap()
    for line in json.dumps(key.public_jwks(), indent=2).splitlines():
        yield output.text(line)

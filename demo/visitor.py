"""An agent in a process of its own: what it was given is a socket, and what its user shows.

It gets at a protected MCP server all the same. It prints what came of it as a line of JSON and
stays until its input ends, so that somebody may look at it.
"""

import argparse
import asyncio
import json
import ssl
import sys
from collections.abc import Sequence

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from governd_client import AsyncClient, Evidence, EvidenceKind, GoverndError
from governd_client.http_auth import AsyncGoverndAuth


async def main(arguments: Sequence[str]) -> None:
    """Asks for the tickets of who logged in, three times."""
    options = _parser().parse_args(arguments)
    login = Evidence(EvidenceKind.ID_TOKEN, sys.stdin.readline().strip())
    try:
        said = {"text": await _tickets(options, login)}
    except* GoverndError as errors:
        error = errors.exceptions[0]
        said = {"refused": getattr(error, "reason", "")}
    print(json.dumps(said), flush=True)
    sys.stdin.read()


async def _tickets(options: argparse.Namespace, login: Evidence) -> str:
    tls = ssl.create_default_context(cafile=options.authorities)
    async with AsyncClient() as governd:  # from GOVERND_SOCKET
        auth = AsyncGoverndAuth(governd, options.upstream, evidence=lambda: login)
        async with (
            httpx2.AsyncClient(auth=auth, verify=tls, timeout=30) as http,
            Client(streamable_http_client(options.url, http_client=http)) as client,
        ):
            for _ in range(3):
                result = await client.call_tool("my_tickets", {})
    return "\n".join(getattr(item, "text", "") for item in result.content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="where the tickets are")
    parser.add_argument("--upstream", required=True, help="what the policy calls that")
    parser.add_argument("--authorities", required=True, help="whose certificates count, PEM")
    return parser


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

"""Verbs that are clients know governd by its sockets alone."""

import subprocess
import sys

import pytest

CLIENTS = [
    *("whoami", "evaluate", "explain", "status", "caller", "policy_reload", "healthcheck"),
    *("tool_list", "tool_show", "tool_diff", "tool_approve"),
    *("identity_list", "identity_show"),
    *("upstream_list", "upstream_check", "token_get", "token_cache"),
]
INSIDE = ("app", "application", "endpoints", "adapters", "services", "policy", "audit", "config")


@pytest.mark.parametrize("verb", CLIENTS)
def test_a_client_imports_nothing_of_the_daemon(verb: str) -> None:
    program = f"import governd.cli.{verb}, sys; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    inside = {f"governd.{part}" for part in INSIDE}
    assert not inside & set(done.stdout.split())

"""A small policy on disk: one server, one reader, one forbid."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from governd.cli.root import governd

READER = "spiffe://example.org/agent/reader"
MANIFEST = """\
format = 1
name = "test"
version = 3
trust_domain = "example.org"
files = ["entities.json", "grants.toml", "policies/main.cedar", "tools/git.json"]
"""
POLICY = """\
@id("main/no-secrets")
forbid (principal, action == Action::"tools/call:git/read", resource)
when { context.args has path && context.args.path like "*secret*" };
"""
GRANTS = f"""\
[[grant]]
agents = ["{READER}"]
capabilities = ["git:read"]
"""
TOOLS = {
    "server": "git",
    "spiffe_id": "spiffe://example.org/mcp/git",
    "tools": [
        {
            "name": "read",
            "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}},
            "annotations": {"readOnlyHint": True, "destructiveHint": False},
            "requires": ["git:read"],
        }
    ],
}
CASES = f"""\
cases:
  - name: a reader reads
    subject: {READER}
    action: tools/call
    resource: tool:git/read
    arguments: {{path: README}}
    want: allow
  - name: but no secret
    subject: {READER}
    action: tools/call
    resource: tool:git/read
    arguments: {{path: secret.txt}}
    want: {{decision: deny, code: FORBIDDEN, reasons: [main/no-secrets]}}
"""


def write_policy(directory: Path) -> Path:
    """Writes the policy and returns its directory."""
    for name in ("policies", "tools", "tests"):
        (directory / name).mkdir(parents=True)
    (directory / "manifest.toml").write_text(MANIFEST)
    (directory / "policies" / "main.cedar").write_text(POLICY)
    (directory / "grants.toml").write_text(GRANTS)
    (directory / "entities.json").write_text("[]")
    (directory / "tools" / "git.json").write_text(json.dumps(TOOLS))
    (directory / "tests" / "main.yaml").write_text(CASES)
    return directory


def governd_says(*arguments: object, code: int = 0, env: dict[str, str] | None = None) -> Result:
    """What the command line answers, after its exit code was as expected."""
    result = CliRunner().invoke(governd, [str(one) for one in arguments], env=env)
    assert result.exit_code == code, result.output
    return result

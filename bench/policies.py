"""Policy sources to measure with: the demo's, and generated ones of any size.

A generated source has so many permits of one *shape*, that is, the part of a policy that
says for whom it is. Each permits something else: its own principal, group or resource.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

TRUST_DOMAIN = "example.org"
DEMO = Path(__file__).resolve().parent.parent / "demo" / "policy"
AGENT = "a-{:05}"
"""The name of the agent that the policy of a number permits."""
HOST = "host-{:05}.example"
"""The host that it permits, for the shape that is about resources."""
GATEWAY = "gateway"
"""An agent that may ask about others."""
_GROUP = "g-{:05}"

_MANIFEST = f"""\
format = 1
name = "bench"
version = {{edition}}
trust_domain = "{TRUST_DOMAIN}"
files = ["entities.json", "policies/bench.cedar", "tools/git.json"]
[[gateway]]
spiffe_id = "spiffe://{TRUST_DOMAIN}/agent/{GATEWAY}"
subjects = ["spiffe://{TRUST_DOMAIN}/agent"]
"""


class Shape(StrEnum):
    """What a policy constrains."""

    PRINCIPAL = "principal"
    GROUP = "group"
    RESOURCE = "resource"
    CONDITION = "condition"


_SCOPES = {
    Shape.PRINCIPAL: 'principal == Agent::"{agent}", action, resource',
    Shape.GROUP: 'principal in Group::"{group}", action, resource',
    Shape.RESOURCE: 'principal, action, resource == ExternalService::"{host}"',
    Shape.CONDITION: "principal, action, resource",
}
_CONDITIONS = {Shape.CONDITION: 'when {{ principal in Group::"{group}" }}'}
_ANY = "unless {{ context.delegated }}"


def write(folder: Path, shape: Shape, count: int, *, edition: int = 1) -> Path:
    """Makes a policy source; in another edition every policy is another one.

    Args:
        folder: Where it is to be; a source that is there is replaced.
        shape: What its policies constrain.
        count: How many.
        edition: The number of its version.
    """
    for part in ("policies", "tools"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(DEMO / "tools" / "git.json", folder / "tools" / "git.json")
    numbers = range(count)
    cedar = "".join(_policy(shape, number, edition) for number in numbers)
    (folder / "policies" / "bench.cedar").write_text(cedar, encoding="utf-8")
    (folder / "entities.json").write_text(json.dumps(_entities(shape, numbers)), encoding="utf-8")
    # Last: the daemon must not see half of it as a new version.
    (folder / "manifest.toml").write_text(_MANIFEST.format(edition=edition), encoding="utf-8")
    return folder


def demo(folder: Path, agents: Sequence[str]) -> Path:
    """The demo's policy, with agents that may commit.

    Args:
        folder: Where it is to be.
        agents: Their names.
    """
    shutil.copytree(DEMO, folder, dirs_exist_ok=True)
    if not agents:
        return folder
    grants = folder / "grants.toml"
    may = [f"spiffe://{TRUST_DOMAIN}/agent/{name}" for name in agents]
    added = f'\n[[grant]]\nagents = {json.dumps(may)}\ncapabilities = ["git:read", "git:write"]\n'
    grants.write_text(grants.read_text(encoding="utf-8") + added, encoding="utf-8")
    return folder


def _policy(shape: Shape, number: int, edition: int) -> str:
    named = f'@id("bench/{edition}/{number:05}")\npermit ({_SCOPES[shape]})\n'
    return (named + _CONDITIONS.get(shape, _ANY) + ";\n").format(
        agent=f"spiffe://{TRUST_DOMAIN}/agent/{AGENT.format(number)}",
        group=_GROUP.format(number),
        host=HOST.format(number),
    )


def _entities(shape: Shape, numbers: Iterable[int]) -> list[object]:
    """The groups that policies name, each with one agent in it."""
    if shape not in {Shape.GROUP, Shape.CONDITION}:
        return []
    made: list[object] = []
    for number in numbers:
        group = {"type": "Group", "id": _GROUP.format(number)}
        agent = f"spiffe://{TRUST_DOMAIN}/agent/{AGENT.format(number)}"
        made += [{"uid": group}, {"uid": {"type": "Agent", "id": agent}, "parents": [group]}]
    return made

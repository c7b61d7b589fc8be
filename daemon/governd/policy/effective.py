"""Tools as they count: what the policy source says, and what their servers registered beside.

The policy source decides what a tool requires and may do; a registration can only add to
that: capabilities, and warnings of what a call may do. A tool that the source does not
declare counts as destructive and open-world whatever its server says of it, unless the
source trusts that server's annotations.

Arguments of a declared tool have the types of the policy source in any case: policies about
them were typed by these.
"""

from collections.abc import Collection
from dataclasses import replace

from governd.policy.definitions import Definition
from governd.policy.tools import NO_HINTS, Hints, Server, Tool


def effective_tool(
    server: Server, declared: Tool | None, now: Definition, required: Collection[str]
) -> Tool:
    """A tool as it counts.

    Args:
        server: Its server.
        declared: What the policy source says of it; returned as it is where nothing is
            added.
        now: What was registered last.
        required: What the server requires, or required before, of its callers.
    """
    if declared is None:
        return Tool(
            id=f"{server.name}/{now.name}",
            name=now.name,
            server=server.name,
            requires=tuple(sorted(required)),
            hints=now.hints if server.trust_annotations else NO_HINTS,
            parameters=now.parameters,
            declared=False,
        )
    hints = _stricter(declared.hints, now.hints)
    requires = {*required, *declared.requires}
    if len(requires) == len(declared.requires) and hints == declared.hints:
        return declared
    return replace(declared, requires=tuple(sorted(requires)), hints=hints)


def _stricter(source: Hints, registered: Hints) -> Hints:
    """The policy source's hints, and what the server itself warns of."""
    stated = registered.model_fields_set
    more: dict[str, bool] = {}
    if "destructive" in stated and registered.destructive and not registered.read_only:
        more.update(destructive=True, read_only=False)
    if "open_world" in stated and registered.open_world:
        more.update(open_world=True)
    return source.model_copy(update=more) if more else source

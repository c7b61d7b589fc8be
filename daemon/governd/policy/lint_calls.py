"""Second looks at what policies say of MCP servers, tools and arguments.

Cedar takes any name for an entity, and lets a policy ask whether ``context.args has`` what
no tool declares: the answer is no, always. A forbid that waits for it forbids nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from governd.policy.argument_types import paths
from governd.policy.bundle import PolicyRecord, PolicySource
from governd.policy.entities import Uid, mentioned_entities
from governd.policy.reads import accessed
from governd.policy.spelling import is_it
from governd.policy.tools import CALL, Tool

_ARGS = {".": {"left": {"Var": "context"}, "attr": "args"}}
_OF_A_SERVER = ("Prompt", "Resource")


class NamesOfTools:
    """Which names of servers, tools and arguments mean something."""

    def __init__(self, source: PolicySource) -> None:
        """Takes them from a source."""
        self._servers = source.servers
        tools = (tool for server in source.servers.values() for tool in server.tools.values())
        self._tools = {tool.id: tool for tool in tools}
        self._arguments = {tool.id: set(paths(tool.parameters)) for tool in self._tools.values()}

    def problems(self, policy: PolicyRecord) -> Iterator[str]:
        """What a policy names that nothing declares."""
        named = {*mentioned_entities(policy.est["conditions"]), *scope_entities(policy.est)}
        for uid in sorted(named):
            yield from self._unknown(uid)
        arguments = _arguments(policy.est["conditions"])
        tools = self._tools_of(policy) if arguments else None
        if tools is not None:
            yield from self._unknown_arguments(arguments, tools)

    def _unknown(self, uid: Uid) -> Iterator[str]:
        server = uid.id.partition("/")[0]
        if uid.type == "McpServer" and uid.id not in self._servers:
            yield f"{_nothing(uid)}{is_it(uid.id, self._servers)}"
        if uid.type == "Tool" and uid.id not in self._tools and not self._registers(server):
            yield f"{_nothing(uid)}{is_it(uid.id, self._tools)}"
        if uid.type in _OF_A_SERVER and server not in self._servers:
            yield f"{_nothing(uid)}: no server is called {server}{is_it(server, self._servers)}"

    def _registers(self, server: str) -> bool:
        """Whether a server's tools are not the policy source's to know."""
        return server in self._servers and not self._servers[server].tools

    def _unknown_arguments(self, named: set[str], tools: list[Tool]) -> Iterator[str]:
        unknown = {path for path in named if not any(path in self._known(one) for one in tools)}
        untyped = {path for tool in tools for path in tool.parameters.untyped} if unknown else ()
        for path in sorted(unknown):
            if _within(path, unknown - {path}):
                continue  # said of what it is a member of
            if _within(path, untyped):
                why = "which cannot be typed, so context.args never has it"
            else:
                known = {name for tool in tools for name in self._known(tool)}
                why = f"which no tool that it is about declares{is_it(path, known)}"
            yield f"names the argument {path}, {why}"

    def _known(self, tool: Tool) -> set[str]:
        return self._arguments[tool.id]

    def _tools_of(self, policy: PolicyRecord) -> list[Tool] | None:
        """The tools that a policy's scope fits; ``None`` where servers may register more."""
        actions = [uid.id for uid in _named(policy.est["action"])]
        called = [name.removeprefix(f"{CALL}:") for name in actions]
        if actions and CALL not in actions:
            return [self._tools[name] for name in called if name in self._tools]
        about = [uid for uid in _named(policy.est["resource"]) if uid.type in {"Tool", "McpServer"}]
        servers = {uid.id.partition("/")[0] for uid in about} or self._servers.keys()
        if any(self._registers(server) for server in servers):
            return None
        tools = [tool for tool in self._tools.values() if tool.server in servers]
        return [tool for tool in tools if not about or about[0].id in {tool.id, tool.server}]


def scope_entities(est: Mapping[str, Any]) -> Iterator[Uid]:
    """Entities that a policy's scope names as principal or resource."""
    yield from _named(est["principal"])
    yield from _named(est["resource"])


def _named(scope: Mapping[str, Any]) -> list[Uid]:
    target = scope.get("in", scope)
    entities = target.get("entities") or [target.get("entity")]
    return [Uid(one["type"], one["id"]) for one in entities if one]


def _arguments(conditions: Iterable[Mapping[str, Any]]) -> set[str]:
    """Paths of the arguments that conditions name: ``options.limit``, and ``options``."""
    found: set[str] = set()
    todo: list[object] = list(conditions)
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            found.update(_path(item))
            todo.extend(item.values())
    return found


def _path(item: object) -> Iterator[str]:
    """The path of the argument that an expression is; nothing where it is none."""
    names: list[str] = []
    while item != _ARGS:
        access = accessed(item) if isinstance(item, dict) else None
        if access is None:
            return
        item, name = access
        names.append(name)
    if names:
        yield ".".join(reversed(names))


def _within(path: str, others: Iterable[str]) -> bool:
    """Whether a path is one of others, or a member's of one."""
    return any(path == other or path.startswith(f"{other}.") for other in others)


def _nothing(uid: Uid) -> str:
    return f'names {uid.type}::"{uid.id}", which nothing declares'

"""Which MCP server a caller is: its SPIFFE ID says so, and the policy source.

Invariants:
    * Nobody is a server that the policy source declares under another SPIFFE ID, whatever
      it calls itself.
    * Nobody is a server whose SPIFFE ID is revoked.
"""

from governd.errors import RequestError, ServerNotAllowedError, ServerUnknownError
from governd.identity import SpiffeId
from governd.policy.compiled import CompiledPolicy
from governd.policy.tools import Server


def find_server(policy: CompiledPolicy, caller: SpiffeId, name: str) -> str:
    """The name under which the policy source declares a caller.

    Args:
        policy: In force.
        caller: Who calls.
        name: Which server it says that it is; ``""`` for the only one that it can be.

    Raises:
        ServerUnknownError: No such server is declared, or none with the caller's SPIFFE ID.
        ServerNotAllowedError: The named one is declared under another SPIFFE ID, or the
            caller's is revoked.
        RequestError: None is named, and several have the caller's SPIFFE ID.
    """
    if policy.is_revoked(caller):
        message = "the caller's SPIFFE ID is revoked"
        raise ServerNotAllowedError(message)
    if name:
        return _named(policy.servers.get(name), caller, name)
    mine = sorted(one.name for one in policy.servers.values() if one.spiffe_id == caller)
    if not mine:
        message = "the policy source declares no MCP server with the caller's SPIFFE ID"
        raise ServerUnknownError(message)
    if len(mine) > 1:
        message = f"server: required, one of {', '.join(mine)}"
        raise RequestError(message, field="server")
    return mine[0]


def _named(server: Server | None, caller: SpiffeId, name: str) -> str:
    facts = {"server": name}
    if server is None:
        message = "server: the policy source declares no MCP server of that name"
        raise ServerUnknownError(message, field="server", metadata=facts)
    if server.spiffe_id != caller:
        message = "server: the policy source declares it under another SPIFFE ID"
        raise ServerNotAllowedError(message, field="server", metadata=facts)
    return server.name

"""What MCP servers offer, as an operator sees it."""

from typing import TypeAlias

from governd.application.registrations import Registrations
from governd.application.sync_policy import PolicyKeeper
from governd.errors import DefinitionUnknownError
from governd.policy.definitions import Kind
from governd.policy.offering import Standing, declared_standing

Place: TypeAlias = tuple[str, int, str]
"""Where a definition stands in the list: server, number of its kind, name."""


class ToolList:
    """The use case behind ListTools and GetTool."""

    def __init__(self, policies: PolicyKeeper, registrations: Registrations) -> None:
        """Takes what holds the policy in force, and what was registered beside it."""
        self._policies = policies
        self._registrations = registrations

    def standings(
        self, server: str = "", *, quarantined: bool = False, after: Place | None = None
    ) -> list[Standing]:
        """How definitions stand, by server, kind and name.

        Args:
            server: Only those of this server, unless it is ``""``.
            quarantined: Only those that are.
            after: Only those that come after this place.
        """
        found = [*self._registrations.offering.standings.values(), *self._declared_only()]
        wanted = [
            one
            for one in found
            if (not server or one.server == server)
            and (one.reasons or not quarantined)
            and (after is None or place(one) > after)
        ]
        return sorted(wanted, key=place)

    def standing(self, server: str, kind: Kind, name: str) -> Standing:
        """How one definition stands.

        Raises:
            DefinitionUnknownError: Nothing of that name is declared or registered.
        """
        found = self._registrations.offering.standings.get((server, kind, name))
        if found is not None:
            return found
        policy = self._policies.state.policy
        declared = policy.servers.get(server) if policy and kind is Kind.TOOL else None
        tool = declared.tools.get(name) if declared else None
        if tool is None:
            raise unknown(server, kind, name)
        return declared_standing(server, tool)

    def _declared_only(self) -> list[Standing]:
        policy = self._policies.state.policy
        held = self._registrations.offering.standings
        return [
            declared_standing(server.name, tool)
            for server in (policy.servers.values() if policy else ())
            for tool in server.tools.values()
            if (server.name, Kind.TOOL, tool.name) not in held
        ]


def place(standing: Standing) -> Place:
    """Where a definition stands in the list."""
    return standing.server, standing.kind.value, standing.name


def unknown(server: str, kind: Kind, name: str) -> DefinitionUnknownError:
    """What says that nothing of a name is there."""
    message = f"the server has no {kind.name.lower().replace('_', ' ')} of that name"
    return DefinitionUnknownError(message, metadata={"server": server, "name": name})

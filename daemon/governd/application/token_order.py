"""A token that is to be asked for: what policy permitted, and what that takes."""

from typing import NamedTuple

from governd.application.call import Call
from governd.application.evidence import Shown
from governd.application.token_request import Asked
from governd.identity import Caller
from governd.identity.user import User
from governd.policy.allowed import Allowed
from governd.policy.authorization_servers import AuthorizationServer
from governd.policy.upstreams import Upstream
from governd.tokens.form import Target


class Order(NamedTuple):
    """What to ask for.

    Attributes:
        allowed: Policy's permit for just that.
        call: In which it was asked for first.
        caller: Who called, and is to have it.
        shown: What showed the user in it; ``None`` for nobody.
        asked: What it is.
    """

    allowed: Allowed
    call: Call
    caller: Caller
    shown: Shown | None
    asked: Asked

    @property
    def agent(self) -> str:
        """Who is to have it, by SPIFFE ID."""
        return str(self.allowed.principal)

    @property
    def user(self) -> User | None:
        """In whose name; ``None`` for the agent's own."""
        return self.allowed.terms.user

    @property
    def scopes(self) -> tuple[str, ...]:
        """What it is to permit."""
        return self.allowed.terms.scopes

    @property
    def upstream(self) -> Upstream:
        """What for."""
        return self.asked.upstream

    @property
    def server(self) -> AuthorizationServer:
        """Who issues it."""
        return self.asked.definition.server

    def target(self, scopes: tuple[str, ...]) -> Target:
        """What is asked for, as it is sent to who issues it."""
        return Target(self.upstream.sent_resource, self.upstream.sent_audience, scopes)

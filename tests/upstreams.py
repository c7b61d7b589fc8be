"""Upstreams for tests: tables of a manifest, and what is asked of them.

* ``crm`` is reached for a user by token exchange, with the scopes ``read`` and ``write``;
* ``crm-own`` is the same service for the agent itself;
* ``mail`` has neither scopes nor a resource;
* ``ledger`` is reached by an assertion that governd signs.
"""

from collections.abc import Sequence

from governd.policy.compiled import CompiledPolicy
from governd.policy.decision import Decision
from governd.policy.delegated import PLAIN, Circumstances
from governd.policy.engine import decide
from governd.policy.question import Question
from governd.policy.upstream_lookup import EXCHANGE, resource_of, upstream_named, wanted_of
from tests.policies import WRITER, question

CRM = "https://crm.example/mcp"
LEDGER = "https://ledger.example"
UPSTREAMS = f"""
[[authorization_server]]
name = "corp"
issuer = "https://login.example/realms/corp"
client_authentication = "jwt-spiffe"
client_id = "governd"
client_key = "corp"
token_endpoint = "https://sts.example/token"
[[upstream]]
name = "crm"
resource = "{CRM}"
authorization_server = "corp"
grant = "token-exchange"
scopes = ["write", "read"]
[[upstream]]
name = "crm-own"
resource = "{CRM}"
authorization_server = "corp"
grant = "client-credentials"
scopes = ["read"]
[[upstream]]
name = "mail"
audience = "Mail"
authorization_server = "corp"
grant = "token-exchange"
[[upstream]]
name = "ledger"
resource = "{LEDGER}"
authorization_server = "corp"
grant = "jwt-bearer"
users_from = ["https://idp.example"]
scopes = ["post", "read"]
"""


def token_question(
    policy: CompiledPolicy,
    name: str = "crm",
    scopes: Sequence[str] = ("read",),
    *,
    subject: str = WRITER,
    circumstances: Circumstances = PLAIN,
) -> Question:
    """The question whether somebody may have a token."""
    upstream = upstream_named(policy.manifest, name)
    given = circumstances._replace(token=wanted_of(upstream, scopes))
    resource = resource_of(upstream)
    return question(subject, EXCHANGE, f"{resource.type}:{resource.id}", circumstances=given)


def ask_token(
    policy: CompiledPolicy,
    name: str = "crm",
    scopes: Sequence[str] = ("read",),
    *,
    subject: str = WRITER,
    circumstances: Circumstances = PLAIN,
    lease: float = 0.0,
) -> Decision:
    """The decision on it."""
    asked = token_question(policy, name, scopes, subject=subject, circumstances=circumstances)
    return decide(policy, asked, age_seconds=0.0, max_lease_seconds=lease)

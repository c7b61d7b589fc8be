"""What policy is asked before an upstream's token is asked for, or handed out again.

``token/exchange`` on the external service that the upstream is: its ``resource``, or where it
states none, its ``audience``. The agent is the subject; the delegation is that of the evidence,
and ``context.token`` says which upstream and which scopes.
"""

from collections.abc import Sequence

from governd.identity import SpiffeId
from governd.policy.allowed import Terms
from governd.policy.delegated import Circumstances, Delegation
from governd.policy.question import Question
from governd.policy.upstream_lookup import EXCHANGE, resource_of, wanted_of
from governd.policy.upstreams import Upstream


def question(
    upstream: Upstream, scopes: Sequence[str], agent: SpiffeId, delegation: Delegation | None
) -> Question:
    """The question.

    Args:
        upstream: For which a token is asked for.
        scopes: What it is to permit, as ``policy.upstream_lookup.scopes_for`` chose them.
        agent: Who asks, and who is to have it.
        delegation: What the evidence says; ``None`` where there is none.

    Raises:
        RequestError: The agent is not the first of the delegation's actors.
    """
    wanted = wanted_of(upstream, scopes)
    circumstances = Circumstances(delegation=delegation, token=wanted)
    return Question(agent, EXCHANGE, resource_of(upstream), circumstances=circumstances)


def terms(upstream: Upstream, scopes: Sequence[str], delegation: Delegation | None) -> Terms:
    """What a permit is to be for.

    Args:
        upstream: For which a token is asked for.
        scopes: What it is to permit.
        delegation: What the evidence says; ``None`` where there is none.
    """
    return Terms(
        audience=upstream.service,
        scopes=tuple(sorted(scopes)),
        user=delegation.user if delegation else None,
        upstream=upstream.name,
    )

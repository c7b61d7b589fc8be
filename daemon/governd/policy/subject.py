"""Who may be named as a question's subject.

Absent or equal to the caller, a caller asks about itself. Another subject is accepted
only (a) from a caller to which the policy gives the gateway role for that subject, or
(b) where the resource is the caller itself: a call that it received.
"""

from governd.errors import SubjectError
from governd.identity import SpiffeId
from governd.policy.compiler import CompiledPolicy
from governd.policy.question import Question, ResourceRef

_OF_A_SERVER = frozenset({"tool", "resource", "prompt", "mcp_server"})


def check_subject(policy: CompiledPolicy | None, question: Question) -> None:
    """Accepts or refuses the subject that a caller names.

    Raises:
        SubjectError: It is not the caller's to name.
    """
    caller = question.asserted_by
    if caller is None:
        return
    if policy is not None and (
        _is_gateway_for(policy, caller, question.subject)
        or _is_itself(policy, caller, question.resource)
    ):
        return
    message = "subject.id: another subject may be named only for a call received, or by a gateway"
    raise SubjectError(message, field="subject.id")


def _is_gateway_for(policy: CompiledPolicy, caller: SpiffeId, subject: SpiffeId) -> bool:
    if policy.is_revoked(caller):
        return False
    return any(
        gateway.spiffe_id == str(caller)
        and any(subject.is_under(prefix) for prefix in gateway.subjects)
        for gateway in policy.manifest.gateway
    )


def _is_itself(policy: CompiledPolicy, caller: SpiffeId, resource: ResourceRef) -> bool:
    if resource.type == "agent":
        return resource.id == str(caller)
    if resource.type not in _OF_A_SERVER:
        return False
    server = policy.servers.get(resource.id.partition("/")[0])
    return server is not None and server.spiffe_id == caller

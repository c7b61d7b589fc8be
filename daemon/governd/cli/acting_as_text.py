"""An acting-as token in words, as a drawn chain, and under stable keys."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from governd.cli import output
from governd.delegation.acting_as import ActingAs
from governd.delegation.binding import RequestBinding
from governd.delegation.details import ToolDetail

_BRANCH = "\u2514\u2500 "
_INDENT = 3


def to_json(token: ActingAs) -> dict[str, object]:
    """What a token says; the help of the verbs names the keys."""
    return {
        "user": token.user.subject,
        "user_issuer": token.user.issuer,
        "actors": [str(actor) for actor in token.actors],
        "audience": str(token.audience),
        "scopes": list(token.scopes),
        "authorization_details": [one.members() for one in token.details],
        "request": _request_to_json(token.request),
        "issued_at": _moment(token.issued_at),
        "expires_at": _moment(token.expires_at),
        "signer": str(token.issuer),
        "token_id": token.token_id,
        "transaction": token.transaction,
        "max_depth": token.max_depth,
        "certificate": token.certificate,
        "parent": token.parent,
        "kya_level": token.kya_level,
        "kya_attestation": token.kya.token_id if token.kya else None,
        "policy_digest": token.ruled.digest,
        "decision_id": token.ruled.decision_id,
    }


def chain(token: ActingAs) -> Iterator[Text]:
    """The chain as a tree: the user, who was delegated to in their order, who is called."""
    user = output.text(token.user.subject, output.STRONG)
    yield Text.assemble(user, output.text(f"  user, by {token.user.issuer}", output.DIM))
    for depth, actor in enumerate(reversed(token.actors)):
        role = "acts" if actor == token.actor else "delegated"
        yield _branch(depth, str(actor), role)
    yield _branch(token.depth, str(token.audience), "is called")


def facts(token: ActingAs, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    """What else a token says, one fact after the other."""
    yield "scopes", ", ".join(token.scopes) or "none: it permits nothing by scope"
    for detail in token.details:
        yield "tools", _detail(detail)
    yield "tied to", _tied(token)
    yield "issued", _moment(token.issued_at)
    yield "ends", _ends(token, now)
    yield "actors", f"{token.depth} of at most {token.max_depth}"
    yield "kya level", _known(token)
    yield "signer", str(token.issuer)
    yield "token", token.token_id
    yield "transaction", token.transaction
    if token.parent:
        yield "parent", token.parent
    yield "decision", token.ruled.decision_id
    yield "policy", token.ruled.digest


def _branch(depth: int, name: str, role: str) -> Text:
    indent = " " * (_INDENT * depth)
    return Text.assemble(f"{indent}{_BRANCH}", output.text(name), output.text(f"  {role}", "dim"))


def _known(token: ActingAs) -> str:
    """How well the least known actor is known, and what attests the current one."""
    if token.kya is None:
        return "0: nothing attests who acts"
    return f"{token.kya.level}, by attestation {token.kya.token_id}"


def _detail(detail: ToolDetail) -> str:
    found = detail.members()
    parts = (", ".join(found[name]) for name in ("actions", "tools", "locations"))
    return "{}: {} at {}".format(*parts)


def _tied(token: ActingAs) -> Text:
    """To which request; loud where it is to none."""
    if token.request is None:
        return output.text("whoever acts, and no request", output.WARN)
    query = " with its query" if token.request.query else ""
    body = " and its body" if token.request.body else ""
    return output.text(f"{token.request.method} {token.request.uri}{query}{body}")


def _ends(token: ActingAs, now: datetime) -> Text:
    left = token.expires_at - now.timestamp()
    moment = _moment(token.expires_at)
    if left > 0:
        return output.text(f"{moment}, in {output.duration(left)}")
    return output.text(f"{moment}, {output.duration(-left)} ago", output.BAD)


def _moment(seconds: int) -> str:
    """A time as RFC 3339 writes it; beyond what a calendar has, the number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return str(seconds)


def _request_to_json(request: RequestBinding | None) -> dict[str, object] | None:
    if request is None:
        return None
    return {
        "method": request.method,
        "uri": request.uri,
        "query_digest": request.query,
        "body_digest": request.body,
    }

"""Second looks at what policies say of the context, and of users.

Cedar lets a policy ask whether the context ``has`` what nothing declares, and about any
user: the answer is no, always. A forbid that waits for it forbids nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from governd.errors import Problem, RequestError
from governd.policy.bundle import PolicyRecord, PolicySource
from governd.policy.context import MEMBERS, PARTS
from governd.policy.delegated import read_user
from governd.policy.entities import Uid, mentioned_entities
from governd.policy.reads import accessed
from governd.policy.spelling import is_it
from governd.policy.tenancy import named_entity

_CONTEXT = {"Var": "context"}


class NamesOfContext:
    """Which members of the context, and which users, mean something."""

    def __init__(self, source: PolicySource) -> None:
        """Takes them from a source."""
        self._extension = source.schema
        self._issuers = {one.issuer for one in source.manifest.issuer}
        self._signed = bool(source.manifest.delegation.signer)

    def problems(self, policy: PolicyRecord) -> Iterator[str]:
        """What a policy names that nothing declares, or that nobody can be."""
        conditions = policy.est["conditions"]
        for name, known, where in sorted(set(_looked_at(conditions))):
            # An action of the extension may have a context of its own.
            if name not in known and name not in self._extension:
                yield f"looks for {where}.{name}, which is never there{is_it(name, known)}"
        for uid in sorted(set(mentioned_entities(conditions))):
            if uid.type == "User":
                yield from self.of_user(uid)

    def of_user(self, uid: Uid) -> Iterator[str]:
        """What is wrong with the name of a user."""
        try:
            user = read_user(uid.id, field="")
        except RequestError:
            yield f'User::"{uid.id}" is nobody: users are "<issuer>#<subject>"'
            return
        # A token that another governd signed may name users of any issuer.
        if user.issuer not in self._issuers and not self._signed:
            said = is_it(user.issuer, self._issuers)
            yield f'User::"{uid.id}" is nobody: no [[issuer]] is {user.issuer}{said}'


def user_problems(source: PolicySource) -> Iterator[Problem]:
    """What is odd about listed users."""
    names = NamesOfContext(source)
    for file, entities in source.entities.items():
        for entity in entities:
            kind, name = named_entity(entity["uid"]) or ("", "")
            if kind == "User":
                yield from (Problem(file, 0, said) for said in names.of_user(Uid(kind, name)))


def _looked_at(
    conditions: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Members that conditions name, with those that there are, and of what."""
    todo: list[object] = [condition["body"] for condition in conditions]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            todo.extend(item.values())
            yield from _member(item)


def _member(item: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    access = accessed(item)
    if access is None:
        return
    of, name = access
    if of == _CONTEXT:
        yield name, MEMBERS, "context"
    for part, members in PARTS.items():
        if of == {".": {"left": _CONTEXT, "attr": part}}:
            yield name, members, f"context.{part}"

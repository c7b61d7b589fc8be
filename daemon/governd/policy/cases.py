"""Policy tests: questions with the decisions that a policy's author wants.

A file of cases (YAML, ``tests/*.yaml`` beside a policy) is data::

    policies: |            # optional: Cedar text, in force for these cases only
    entities: []           # optional: further entities
    cases:
      - name: a reader may look
        subject: spiffe://example.org/agent/reader
        action: tools/call
        resource: tool:git/git_status
        arguments: {repo_path: /srv/repo}
        want: allow
      - name: and not reset
        subject: spiffe://example.org/agent/reader
        action: tools/call
        resource: tool:git/git_reset
        arguments: {repo_path: /srv/repo}
        want: {decision: deny, code: FORBIDDEN, reasons: [base/destructive-needs-grant]}
      - name: unless a user delegated
        subject: spiffe://example.org/agent/writer
        action: tools/call
        resource: tool:git/git_reset
        delegation: {user: "https://idp.example#alice"}
        want: allow
      - name: a token for an upstream of the manifest, which is what the question is about
        subject: spiffe://example.org/agent/writer
        action: token/exchange
        token: {upstream: crm, scopes: [contacts.read]}
        delegation: {user: "https://idp.example#alice"}
        want: allow

Arguments go through the parser that questions on the wire go through.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from governd.errors import GoverndError, RequestError
from governd.identity import SpiffeId
from governd.policy.arguments import ArgumentLimits, parse_arguments
from governd.policy.compiler import CompiledPolicy
from governd.policy.decision import Decision
from governd.policy.delegated import MAX_KYA_LEVEL, TokenWanted
from governd.policy.engine import decide
from governd.policy.manifest import Manifest
from governd.policy.question import Question, ResourceRef, parse_name, parse_resource
from governd.policy.stated import StatedCard, StatedDelegation, StatedToken, circumstances
from governd.policy.table import Table
from governd.policy.upstream_lookup import (
    EXCHANGE,
    resource_of,
    scopes_for,
    upstream_named,
    wanted_of,
)


class Wanted(Table):
    """What a decision must say; what is not given is not compared.

    Attributes:
        decision: ``allow`` or ``deny``.
        code: A decision code.
        reasons: Exactly these policies determine it.
        obligations: Exactly these types of obligation come with it.
    """

    decision: Literal["allow", "deny"]
    code: str | None = None
    reasons: tuple[str, ...] | None = None
    obligations: tuple[str, ...] | None = None


class Case(Table):
    """One question.

    Attributes:
        name: What it shows.
        subject: Who asks.
        action: What for.
        resource: ``<type>:<id>``; of a token, what its upstream is.
        arguments: Of the call.
        token: Of ``token/exchange``: the token that is asked for.
        delegation: For whom the subject acts.
        kya_level: How well the subject is known.
        kya: What its card says; only at level 1 or more.
        age_seconds: The policy's age.
        want: The decision wanted.
    """

    name: Annotated[str, Field(min_length=1)]
    subject: str
    action: str
    resource: str
    arguments: dict[str, Any] | None = None
    token: StatedToken | None = None
    delegation: StatedDelegation | None = None
    kya_level: Annotated[int, Field(ge=0, le=MAX_KYA_LEVEL)] = 0
    kya: StatedCard | None = None
    age_seconds: float = 0.0
    want: Literal["allow", "deny"] | Wanted

    @model_validator(mode="before")
    @classmethod
    def _of_a_token(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("token") is not None:
            return {"resource": "", **value}
        return value

    @model_validator(mode="after")
    def _is_about_one_thing(self) -> Self:
        if self.token is not None and (self.resource or self.action != EXCHANGE):
            message = f"token: expected the action {EXCHANGE}, and no resource but the upstream"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _is_known_by_its_card(self) -> Self:
        if self.kya is not None and not self.kya_level:
            message = "kya: expected a kya_level of 1 at least"
            raise ValueError(message)
        return self

    @property
    def wanted(self) -> Wanted:
        """The decision wanted, in its long form."""
        return self.want if isinstance(self.want, Wanted) else Wanted(decision=self.want)

    def question(self, manifest: Manifest) -> Question:
        """The question.

        Args:
            manifest: Of the policy; it has the upstreams.

        Raises:
            RequestError: A field is malformed.
            UpstreamUnknownError: The manifest has no such upstream.
        """
        resource, token = self._about(manifest)
        text = b"" if self.arguments is None else _json(self.arguments)
        subject = SpiffeId.parse(self.subject, field="subject")
        given = circumstances(self.delegation, subject, kya_level=self.kya_level)
        return Question(
            subject=subject,
            action=parse_name(self.action, field="action"),
            resource=resource,
            arguments=parse_arguments(text, ArgumentLimits()),
            circumstances=given._replace(token=token, kya=self.kya.known() if self.kya else None),
        )

    def _about(self, manifest: Manifest) -> tuple[ResourceRef, TokenWanted | None]:
        if self.token is None:
            kind, _, name = self.resource.partition(":")
            return parse_resource(kind, name), None
        upstream = upstream_named(manifest, self.token.upstream)
        scopes = scopes_for(upstream, self.token.scopes, field="token.scopes")
        return resource_of(upstream), wanted_of(upstream, scopes)


class CaseFile(Table):
    """A file of cases.

    Attributes:
        policies: Cedar text in force for these cases only.
        entities: Further entities, in Cedar's JSON form.
        cases: The cases.
    """

    policies: str = ""
    entities: tuple[dict[str, Any], ...] = ()
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case went.

    Attributes:
        name: Of the case.
        failures: What differs from what was wanted; empty where nothing does.
        decision: What was decided; ``None`` where the question could not be asked.
    """

    name: str
    failures: tuple[str, ...]
    decision: Decision | None


def _json(arguments: dict[str, Any]) -> bytes:
    """What YAML can say and JSON cannot, a date for example, is refused."""
    try:
        return json.dumps(arguments).encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"arguments: cannot be said in JSON: {error}"
        raise RequestError(message, field="arguments") from error


def run_case(policy: CompiledPolicy, case: Case) -> CaseResult:
    """Asks a case's question and compares."""
    try:
        question = case.question(policy.manifest)
        decision = decide(policy, question, age_seconds=case.age_seconds)
    except GoverndError as error:
        return CaseResult(case.name, (str(error),), None)
    return CaseResult(case.name, tuple(_differences(case.wanted, decision)), decision)


def _differences(wanted: Wanted, decision: Decision) -> list[str]:
    given = {
        "decision": "allow" if decision.allowed else "deny",
        "code": decision.code.name,
        "reasons": tuple(decision.reasons),
        "obligations": tuple(one.type for one in decision.obligations),
    }
    expected = wanted.model_dump(exclude_none=True)
    return [
        f"{name}: wanted {_shown(value)}, got {_shown(given[name])}"
        for name, value in expected.items()
        if _comparable(value) != _comparable(given[name])
    ]


def _comparable(value: object) -> object:
    return sorted(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)

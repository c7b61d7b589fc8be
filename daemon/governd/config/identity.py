"""The settings of what issues identities, those of workloads and governd's own."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from governd.config.fields import AbsolutePath, Section
from governd.errors import RequestError
from governd.identity.path_template import PathTemplate
from governd.identity.svid import Selector

_MAX_SELECTORS = 64


def _selector(value: object) -> Selector:
    if isinstance(value, Selector):
        return value
    if not isinstance(value, str):
        message = 'expected "type:value" in quotes'
        raise ValueError(message)  # noqa: TRY004 — pydantic collects ValueError only
    try:
        return Selector.parse(value)
    except RequestError as error:
        raise ValueError(str(error).removeprefix("selector: ")) from error


def _not_empty(selectors: tuple[Selector, ...]) -> tuple[Selector, ...]:
    if not selectors:
        message = "expected at least one selector"
        raise ValueError(message)
    return selectors


Selectors = Annotated[
    tuple[Annotated[Selector, BeforeValidator(_selector)], ...],
    Field(strict=False, max_length=_MAX_SELECTORS),
    AfterValidator(_not_empty),
]
"""``type:value`` each; an entry fits who has all of the entry's."""


def _template(value: object) -> PathTemplate:
    if isinstance(value, PathTemplate):
        return value
    if not isinstance(value, str):
        message = "expected a path in quotes"
        raise ValueError(message)  # noqa: TRY004 — pydantic collects ValueError only
    try:
        return PathTemplate.parse(value)
    except RequestError as error:
        raise ValueError(str(error).removeprefix("path_template: ")) from error


# No attestor of SPIRE's finds selectors of this type, so no process has them: only a delegate
# can name them.
_SERVING, _SIGNING = Selector("governd", "identity:server"), Selector("governd", "identity:signer")


class Identity(Section):
    """What issues identities."""

    source: Literal["embedded", "spire"] = "embedded"
    """``spire``: the SPIRE agent of the node. ``embedded``: a certificate authority in
    memory, development only."""
    spire_admin_socket: Annotated[AbsolutePath | None, Field(validate_default=True)] = None
    """The agent's ``admin_socket_path``; required where ``source`` is ``spire``."""
    node: str = Field("", pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]{0,252})?$")
    """The node's name in governd's own SPIFFE IDs, ``/governd/server/<node>`` and
    ``/governd/signer/<node>``. Default: the host's name."""
    serving_selectors: Selectors = (_SERVING,)
    """By which the registration entry of the identity that governd serves with finds it."""
    signing_selectors: Selectors = (_SIGNING,)
    """Likewise, of the identity that governd signs with."""

    path_template: Annotated[PathTemplate | None, BeforeValidator(_template)] = None
    """Path of the SPIFFE ID of workloads for which nothing is registered, of their facts:
    ``/ns/{namespace}/sa/{service_account}``. Default: such workloads have none."""

    @field_validator("spire_admin_socket")
    @classmethod
    def _where_it_is_needed(cls, socket: object, info: ValidationInfo) -> object:
        if info.data.get("source") == "spire" and socket is None:
            message = 'expected a path, because source is "spire"'
            raise ValueError(message)
        if info.data.get("source") == "embedded" and socket is not None:
            message = 'expected none, because source is "embedded"'
            raise ValueError(message)
        return socket


def embedded_in_production(values: Mapping[str, object]) -> Iterator[tuple[tuple[str, str], str]]:
    """The mistake of an authority in memory where ``production`` is true."""
    section = values.get("identity", {})
    source = section.get("source", "embedded") if isinstance(section, Mapping) else ""
    if values.get("production") is True and source == "embedded":
        yield ("identity", "source"), 'expected "spire", because production is true'

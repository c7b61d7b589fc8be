"""Lists of MCP servers as they are on the wire, and what of an entry its digest covers.

Pure. Holds for MCP 2025-06-18, 2025-11-25 and 2026-07-28, which list alike but for what they
say of caching.

Rules:
    * An entry without a name cannot be asked about. One whose name is there twice could be
      either, and one without a canonical form (RFC 8785), or nested deeper than 128 levels,
      could be anything. None of them is shown.
    * A digest is the same of a raw answer and of one that went through the models of an SDK:
      a member that is null is one that is not there, and of ``annotations`` of tools and of
      ``arguments`` of prompts, what MCP does not know is not there either.
    * It is of the entry as it is listed, ``x-mcp-header`` included.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import rfc8785
from pydantic import BaseModel

from governd_client.definitions import Kind
from governd_client.errors import GoverndError

MAX_NAME_BYTES: Final = 2048
MAX_DEPTH: Final = 128
"""Four times what governd takes unless configured otherwise."""
_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "annotations": (
        "title",
        "readOnlyHint",
        "destructiveHint",
        "idempotentHint",
        "openWorldHint",
    ),
    "arguments": ("name", "title", "description", "required"),
}
"""Of pinned members, those of theirs that MCP knows."""


class ListError(GoverndError):
    """What an MCP server lists cannot be read: nothing of it is shown or registered."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of thing is listed.

    Attributes:
        method: Which request lists it.
        kind: What it is.
        member: The member of the result that holds the entries.
        key: The member of an entry that names it.
        pinned: The members of an entry that its digest covers.
    """

    method: str
    kind: Kind
    member: str
    key: str
    pinned: tuple[str, ...]


_ALL: Final = (
    Form(
        "tools/list",
        Kind.TOOL,
        "tools",
        "name",
        ("name", "description", "inputSchema", "outputSchema", "annotations"),
    ),
    Form(
        "resources/list",
        Kind.RESOURCE,
        "resources",
        "uri",
        ("uri", "name", "description", "mimeType"),
    ),
    Form(
        "resources/templates/list",
        Kind.RESOURCE_TEMPLATE,
        "resourceTemplates",
        "uriTemplate",
        ("uriTemplate", "name", "description", "mimeType"),
    ),
    Form("prompts/list", Kind.PROMPT, "prompts", "name", ("name", "description", "arguments")),
)
FORMS: Final[Mapping[str, Form]] = {each.method: each for each in _ALL}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list.

    Attributes:
        index: Its place on its page.
        kind: What it is.
        name: Its name: of a resource its URI, of a template its URI template.
        item: The entry itself.
        pinned: Those of its members that its digest covers.
        canonical: The same in canonical form (RFC 8785), empty where they have none.
        digest: ``sha-256:<hex>`` of that, empty likewise.
    """

    index: int
    kind: Kind
    name: str
    item: Mapping[str, Any]
    pinned: Mapping[str, Any]
    canonical: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a list request.

    Attributes:
        form: What is listed.
        result: The whole answer.
        entries: Those of its entries that have a name.
    """

    form: Form
    result: Mapping[str, Any]
    entries: tuple[Entry, ...]

    @property
    def cursor(self) -> str | None:
        """Where the list goes on, ``None`` where it ends."""
        cursor = self.result.get("nextCursor")
        return cursor if isinstance(cursor, str) else None


def wire(result: object) -> dict[str, Any]:
    """A handler's result as it goes out: a message, raw JSON or nothing.

    Raises:
        ListError: It is none of these.
    """
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    if isinstance(result, Mapping):
        return dict(result)
    message = f"expected the result of a list, got {type(result).__name__}"
    raise ListError(message)


def read_page(form: Form, result: object) -> Page:
    """Reads one answer to a list request.

    Raises:
        ListError: It holds no list.
    """
    answer = wire(result)
    items = answer.get(form.member)
    if not isinstance(items, list):
        message = f"{form.method}: expected a list of {form.member}"
        raise ListError(message)
    entries = (_entry(form, index, item) for index, item in enumerate(items))
    return Page(form, answer, tuple(each for each in entries if each is not None))


def clear(entries: Sequence[Entry]) -> list[Entry]:
    """Those of the entries of a list that can be asked about, in their order."""
    times = Counter(each.name for each in entries)
    return [each for each in entries if times[each.name] == 1 and _is_clear(each)]


def _entry(form: Form, index: int, item: object) -> Entry | None:
    name = item.get(form.key) if isinstance(item, Mapping) else None
    if not isinstance(item, Mapping) or not isinstance(name, str) or not name:
        return None
    pinned = {key: _known(key, item[key]) for key in form.pinned if item.get(key) is not None}
    canonical = _canonical(pinned)
    digest = f"sha-256:{hashlib.sha256(canonical).hexdigest()}" if canonical else ""
    return Entry(index, form.kind, name, item, pinned, canonical, digest)


def _known(member: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """A pinned member without what no SDK lets through."""
    if member not in _KNOWN:
        return value
    known = _KNOWN[member]
    if isinstance(value, list | tuple):
        return [_members(each, known) for each in value]
    return _members(value, known)


def _members(value: Any, known: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, Mapping):
        return value
    return {key: value[key] for key in known if value.get(key) is not None}


def _canonical(members: dict[str, Any]) -> bytes:
    if not _is_shallow(members, MAX_DEPTH):
        return b""
    try:
        return rfc8785.dumps(members)
    except ValueError:
        # NaN, integers that a double cannot hold, lone surrogates, keys that are not text.
        return b""


def _is_shallow(value: object, levels: int) -> bool:
    if isinstance(value, Mapping):
        return levels > 0 and all(_is_shallow(each, levels - 1) for each in value.values())
    if isinstance(value, list | tuple):
        return levels > 0 and all(_is_shallow(each, levels - 1) for each in value)
    return True


def _is_clear(entry: Entry) -> bool:
    # A canonical form is UTF-8, so that the name has one, too.
    return bool(entry.digest) and len(entry.name.encode()) <= MAX_NAME_BYTES

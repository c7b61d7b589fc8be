"""The entries of a list in Cedar's terms, whoever looks at it.

An entry is what its call would be about, found by its exact name as a question's resource
is found, so that what a list shows is what can be called. A resource template is one
resource of which only the server is known, and each that a policy names and the template
can expand to.
"""

from collections.abc import Iterable, Iterator, Mapping

from governd.errors import RequestError
from governd.policy.compiled import CompiledPolicy
from governd.policy.definitions import Kind
from governd.policy.entities import Entity, Placed, Uid
from governd.policy.inquiry import Refusal, named, unlisted_record
from governd.policy.listing import Entry, Page, PageKey
from governd.policy.offered import ENTITY_TYPES, literal_prefix
from governd.policy.question import MAX_ID_BYTES, parse_name, parse_resource
from governd.policy.tools import CALL

MAX_NAMED = 64
"""Resources to look at for one template; one that can expand to more is shown."""
_STEP = 64

_READ = "resources/read"
_USES = {
    Kind.TOOL: ("tool", CALL),
    Kind.RESOURCE: ("resource", _READ),
    Kind.RESOURCE_TEMPLATE: ("resource", _READ),
    Kind.PROMPT: ("prompt", "prompts/get"),
}
_UNKNOWN = {"uri": {"__extn": {"fn": "unknown", "arg": "uri"}}}
_PAGE_CHARS, _ENTRY_CHARS, _INDEX_CHARS = 512, 768, 16


class PageReader:
    """Reads the entries of one list."""

    def __init__(self, policy: CompiledPolicy, key: PageKey) -> None:
        """Takes whose list it is, and of what."""
        self._policy = policy
        self._server, self._kind, self._names = key
        self._wire_type, self._use = _USES[self._kind]
        use = Uid("Action", self._use)
        above = policy.graph.placed(use, {}).ancestors
        # Each tool is an action of its own, in the one of all calls.
        self._above_use = above | {use} if self._kind is Kind.TOOL else above
        self._any = policy.handles.named.unnamed(self._server)
        self._ancestors: dict[tuple[tuple[str, str], ...], frozenset[Uid]] = {}
        self._asked: dict[str, list[int]] = {}
        self._open: list[int] = []
        self._entries: list[Entry] = []
        self._shows: list[tuple[int, ...]] = []

    def steps(self) -> Iterator[None]:
        """Reads it, with pauses after each millisecond or so."""
        if self._server not in self._policy.servers:
            return
        for index, name in enumerate(self._names):
            for one in self._asked_for(index, name):
                self._asked.setdefault(one, []).append(index)
            if index % _STEP == 0:
                yield
        for number, (name, indices) in enumerate(self._asked.items()):
            entry = self._entry(name)
            if entry is not None:
                self._entries.append(entry)
                self._shows.append(tuple(indices))
            if number % _STEP == 0:
                yield

    def page(self) -> Page:
        """What was read, after the last step."""
        chars = _PAGE_CHARS + _ENTRY_CHARS * len(self._entries)
        chars += sum(len(one) for one in self._names)
        chars += sum(_INDEX_CHARS * len(one) for one in self._shows)
        return Page(tuple(self._entries), tuple(self._shows), tuple(self._open), chars)

    def _asked_for(self, index: int, name: str) -> list[str]:
        """Ids of what an entry of the list stands for."""
        if self._kind is not Kind.RESOURCE_TEMPLATE:
            return [f"{self._server}/{name}"]
        if not name or not self._is_template(f"{self._server}/{name}"):
            return []
        prefix = f"{self._server}/{literal_prefix(name)}"
        found = self._policy.handles.named.beginning_with(prefix, MAX_NAMED + 1)
        if len(found) > MAX_NAMED:
            self._open.append(index)
            return []
        return [self._any, *found]

    def _is_template(self, template_id: str) -> bool:
        try:
            parse_name(template_id, field="name", limit=MAX_ID_BYTES)
        except RequestError:
            return False
        uid = Uid(ENTITY_TYPES[self._kind], template_id)
        return uid not in self._policy.offered.quarantined

    def _entry(self, name: str) -> Entry | None:
        if name == self._any and self._kind is Kind.RESOURCE_TEMPLATE:
            return self._several()
        try:
            reference = parse_resource(self._wire_type, name)
            action, resource = named(self._policy, self._use, reference)
        except (RequestError, Refusal):
            return None
        return self._made(action, resource, unlisted_record(resource))

    def _several(self) -> Entry:
        """Any resource of the server that no policy names."""
        resource = Uid("Resource", self._any)
        record = {**unlisted_record(resource)[resource], "attrs": _UNKNOWN}
        entry = self._made(Uid("Action", _READ), resource, {resource: record})
        return entry._replace(several=True)

    def _made(self, action: Uid, resource: Uid, unlisted: Mapping[Uid, Entity]) -> Entry:
        met = self._policy.handles.met
        record = self._policy.graph.record(resource, unlisted or self._policy.offered.records)
        use = Placed(action, self._above_use)
        used = Placed(resource, self._above(record["parents"] if record else ()))
        return Entry(use, used, (met(use), met(used)), record["attrs"] if record else {}, unlisted)

    def _above(self, parents: Iterable[Mapping[str, str]]) -> frozenset[Uid]:
        """What something is in: mostly all of a list is in the same."""
        key = tuple((one["type"], one["id"]) for one in parents)
        found = self._ancestors.get(key)
        if found is None:
            found = self._ancestors[key] = self._policy.graph.above(parents)
        return found

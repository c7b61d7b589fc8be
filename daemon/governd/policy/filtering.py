"""Which entries of a list somebody may see.

An entry is hidden only if its call, read or use is denied whatever the arguments. Cedar is
not asked about each: entries that no candidate can tell apart (``onlooker``) are asked about
once. What follows of age is told as ranges of it, like a decision's (``verdict``).
"""

import json
from collections import ChainMap
from collections.abc import Generator, Iterable, Iterator, Sequence

import cedarpy

from governd.policy.compiled import CompiledPolicy
from governd.policy.context import ANY_DELEGATION, members, persons
from governd.policy.entries import PageReader
from governd.policy.handles import Facts
from governd.policy.listing import MAX_CACHED_CHARS, Answer, Entry, Listing, Page, Visibility
from governd.policy.onlooker import Kin, Onlooker, Sight
from governd.policy.reads import united
from governd.policy.unknowns import ALWAYS, NEVER, AnyCall, permitted_upto

__all__ = ["Filtering", "Listing", "Visibility", "filter_listing"]

_STEP = 256
_AT_ONCE = 32
_FEW_POLICIES, _NOT_MUCH_MORE = 64, 2
_ANSWER_CHARS, _NAME_CHARS = 512, 64


def filter_listing(policy: CompiledPolicy, listing: Listing, *, age_seconds: float) -> Visibility:
    """Says which entries of a list are shown, in one go.

    Args:
        policy: The policy in force.
        listing: The list, and who is to see it.
        age_seconds: How long ago the policy was last verified to be the newest.
    """
    filtering = Filtering(policy, listing)
    for _ in filtering.steps():
        pass
    return filtering.visibility(age_seconds)


class Filtering:
    """Filters one list, in steps that are over within a few milliseconds."""

    def __init__(self, policy: CompiledPolicy, listing: Listing) -> None:
        """Takes the policy in force, the list, and who is to see it."""
        self._policy = policy
        self._listing = listing
        self._answer = Answer((NEVER,) * len(listing.names), 0)

    def visibility(self, age_seconds: float) -> Visibility:
        """What is shown at an age of the policy, after the last step."""
        return self._answer.at(age_seconds)

    def steps(self) -> Iterator[None]:
        """Filters; pauses after each step."""
        listing, answers = self._listing, self._policy.listings.answers
        answer = answers.get(listing)
        if answer is None:
            page = yield from self._page()
            upto = yield from self._ask(page)
            chars = _ANSWER_CHARS + sum(_NAME_CHARS + len(name) for name in listing.names)
            answer = Answer(tuple(upto), chars)
            if chars <= MAX_CACHED_CHARS:
                answers[listing] = answer
        self._answer = answer

    def _page(self) -> Generator[None, None, Page]:
        """The list in Cedar's terms."""
        pages, key = self._policy.listings.pages, self._listing.page
        page = pages.get(key)
        if page is None:
            reader = PageReader(self._policy, key)
            yield from reader.steps()
            page = reader.page()
            if page.chars <= MAX_CACHED_CHARS:
                pages[key] = page
        return page

    def _ask(self, page: Page) -> Generator[None, None, list[float]]:
        """By index, up to which age an entry is shown."""
        upto = [NEVER] * len(self._listing.names)
        for index in page.open:
            upto[index] = ALWAYS
        if page.entries:
            onlooker = Onlooker(self._policy, self._listing)
            alike = yield from _alike(onlooker, page)
            while alike:
                some = [alike.popitem() for _ in range(min(_AT_ONCE, len(alike)))]
                for numbers, limit in self._permitted(onlooker, page, some):
                    for index in (index for number in numbers for index in page.shows[number]):
                        upto[index] = max(upto[index], limit)
                    yield
        return upto

    def _permitted(
        self, onlooker: Onlooker, page: Page, some: Iterable[tuple[Kin, list[int]]]
    ) -> Iterator[tuple[list[int], float]]:
        """Numbers of entries that are alike, and up to which age they could be permitted.

        They share a handle of entities and, as far as that does, one of policies: making
        those is most of what a list costs that nobody asked for before.
        """
        groups = [
            (onlooker.sights[kin.number], page.entries[numbers[0]], numbers)
            for kin, numbers in some
        ]
        sights = [sight for sight, _, _ in groups]
        entities = self._entities(onlooker, [entry for _, entry, _ in groups], sights)
        places = _together(onlooker.places, sights)
        policies, handles = self._policy.policies, self._policy.handles
        together = handles.at(places)
        for sight, one, numbers in groups:
            candidates = handles.made.get(sight.places, together)
            calls = self._calls(onlooker, one, sight.facts, entities)
            yield numbers, max(permitted_upto(policies, call, candidates) for call in calls)

    def _calls(
        self, onlooker: Onlooker, one: Entry, facts: Facts, entities: cedarpy.Entities
    ) -> Iterator[AnyCall]:
        """An entry's call as things are, and as they may be once a user has delegated."""
        uids, listing = (onlooker.principal, one.action.uid, one.resource.uid), self._listing
        for now in (True, False) if listing.bootstrap else (True,):
            circumstances = listing.circumstances
            if not now:
                level, kya = circumstances.kya_level, circumstances.kya
                circumstances = ANY_DELEGATION._replace(kya_level=level, kya=kya)
            in_scope = not now or onlooker.in_scope(one)
            context = members(
                self._policy.graph,
                circumstances,
                facts.delegation,
                in_scope=in_scope,
                servers=self._policy.servers,
                kya=facts.kya,
            )
            text = json.dumps(context)
            yield AnyCall(*uids, entities, facts, text, not now, one.several)

    def _entities(
        self, onlooker: Onlooker, ones: Sequence[Entry], sights: Iterable[Sight]
    ) -> cedarpy.Entities:
        """All that evaluations about some entries can reach."""
        unlisted = {uid: record for one in ones for uid, record in one.unlisted.items()}
        extra = ChainMap(unlisted, self._policy.offered.records)
        asked = (placed.uid for one in ones for placed in (one.action, one.resource))
        facts = [sight.facts for sight in sights]
        named = {uid for one in facts for uid in one.mentioned}
        read = united(one.delegation for one in facts)
        named.update(persons(self._listing.circumstances, read))
        entities, _ = self._policy.graph.around({onlooker.principal, *asked, *named}, extra)
        return entities


def _alike(onlooker: Onlooker, page: Page) -> Generator[None, None, dict[Kin, list[int]]]:
    """Numbers of entries by what those that are alike have in common."""
    found: dict[Kin, list[int]] = {}
    sights = 0
    for number, entry in enumerate(page.entries, 1):
        found.setdefault(onlooker.kin(entry), []).append(number - 1)
        if number % _STEP == 0 or len(onlooker.sights) > sights:
            sights = len(onlooker.sights)
            yield
    return found


def _together(everything: set[int], sights: Iterable[Sight]) -> tuple[int, ...]:
    """Places of the policies of some sights; of all there are, where that is not much more."""
    some = {place for sight in sights for place in sight.places}
    enough = max(_FEW_POLICIES, _NOT_MUCH_MORE * len(some))
    return tuple(sorted(everything if len(everything) <= enough else some))

"""Rules that keep governd's own identities for governd.

They judge raw values and well-formed listeners, as ``rules`` has it. Whatever the
configuration says, no other workload gets such an identity (``governd.identity.own``): these
rules tell the mistake before a workload waits in vain.
"""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from governd.config.document import Mistake
from governd.config.identity import Identity
from governd.config.listeners import AttestedListener, Listeners, StaticListener
from governd.identity import own
from governd.identity.svid import Selector

_SERVING, _SIGNING = "serving_selectors", "signing_selectors"


def broken(section: object, listeners: Listeners) -> Iterator[Mistake]:
    """The mistakes of ``[identity]`` and of the listeners that have to do with it."""
    identity = _own_selectors(section)
    serving, signing = set(identity.serving_selectors), set(identity.signing_selectors)
    if serving == signing:
        yield ("identity", _SIGNING), f"expected others than {_SERVING}"
    for index, listener in listeners.items():
        place = ("listener", index)
        if isinstance(listener, StaticListener) and own.is_own(listener.spiffe_id):
            yield (*place, "spiffe_id"), "expected none of governd's own IDs"
        if isinstance(listener, AttestedListener):
            needed = {_SERVING: serving, _SIGNING: signing}
            for where, said in _selects_governd(listener.selectors, needed):
                yield (*place, *where), said


def _selects_governd(
    selectors: Sequence[Selector], needed: Mapping[str, set[Selector]]
) -> Iterator[Mistake]:
    of_the_type = [at for at, one in enumerate(selectors) if one.type == own.OWN]
    for at in of_the_type:
        yield ("selectors", at), f'expected none of type "{own.OWN}", which is for governd itself'
    for name, found in needed.items():
        if not of_the_type and found <= set(selectors):
            yield ("selectors",), f"expected not all of identity.{name}, which governd is found by"


def _own_selectors(section: object) -> Identity:
    """Those two settings alone, so that a mistake elsewhere hides nothing."""
    raw = section if isinstance(section, Mapping) else {}
    given = {name: raw[name] for name in (_SERVING, _SIGNING) if name in raw}
    try:
        return Identity.model_validate(given)
    except ValidationError:
        return Identity()  # reported with its section

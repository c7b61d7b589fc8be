"""A registration as the content of a file, and back.

Two lines of JSON: the registration, and the digest of that line. Of a definition only its
canonical text is kept, its digest beside it; everything else is read from it anew, as
strictly as when the server sent it. Nothing is believed: what is not exactly as governd would
write it is refused, because a registration that lost its pins would let changed tools pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governd.errors import RequestError
from governd.identity import SpiffeId
from governd.policy.definitions import Definition, DefinitionLimits, Kind, read_definition
from governd.policy.registered import MAX_REQUIRED, Key, Pin, PinOrigin, Registered, Registration
from governd.policy.tools import Capability, ServerName
from governd.sealed import first_problem, sealed, unsealed

_FIELD = "definition"
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Index = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Definition(_Part):
    kind: Annotated[int, Field(ge=1, le=4)]
    text: str
    digest: str
    requires: list[str]


class _Registered(_Part):
    definition: _Index
    since: _Seconds
    claimed: _Seconds
    duplicate: bool
    formerly: Annotated[list[Capability], Field(max_length=MAX_REQUIRED)]


class _Pin(_Part):
    definition: _Index
    origin: Annotated[int, Field(ge=1, le=2)]
    stated: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]


class _File(_Part):
    format: Literal[1]
    spiffe_id: str
    server: ServerName
    definitions: list[_Definition]
    registered: list[_Registered]
    withdrawn: list[_Registered]
    pins: list[_Pin]


def write_registration(registration: Registration) -> bytes:
    """A registration as a file's content.

    Raises:
        ValueError: It has what no registration has, such as a time that is none.
    """
    seen = [*registration.registered.values(), *registration.withdrawn.values()]
    held: list[Registered | Pin] = [*seen, *registration.pins.values()]
    numbers = {one: number for number, one in enumerate(dict.fromkeys(x.definition for x in held))}
    file = _File(
        format=1,
        spiffe_id=str(registration.spiffe_id),
        server=registration.server,
        definitions=[_write_definition(one) for one in numbers],
        registered=[_write_registered(one, numbers) for one in registration.registered.values()],
        withdrawn=[_write_registered(one, numbers) for one in registration.withdrawn.values()],
        pins=[
            _Pin(definition=numbers[pin.definition], origin=pin.origin.value, stated=pin.stated)
            for pin in registration.pins.values()
        ],
    )
    return sealed(file.model_dump_json().encode() + b"\n")


def _write_definition(one: Definition) -> _Definition:
    return _Definition(
        kind=one.kind.value,
        text=one.canonical.decode(),
        digest=one.digest,
        requires=list(one.requires),
    )


def _write_registered(one: Registered, numbers: Mapping[Definition, int]) -> _Registered:
    return _Registered(
        definition=numbers[one.definition],
        since=one.since,
        claimed=one.claimed,
        duplicate=one.duplicate,
        formerly=list(one.formerly),
    )


def read_registration(content: bytes) -> Registration:
    """Reads back what ``write_registration`` wrote.

    Raises:
        ValueError: The content is anything else; it says what is wrong.
    """
    line = unsealed(content)
    if line is None:
        _refuse("is damaged, not whole, or was edited")
    try:
        registration = _registration(_File.model_validate_json(line))
    except ValidationError as error:
        _refuse(f"says what no registration says: {first_problem(error)}", error)
    except (RequestError, LookupError) as error:
        _refuse(f"says what no registration says: {error}", error)
    if write_registration(registration) != content:
        _refuse("is not as governd writes it")
    return registration


def _registration(file: _File) -> Registration:
    found = [_read_definition(one) for one in file.definitions]
    pins = [Pin(found[one.definition], PinOrigin(one.origin), one.stated) for one in file.pins]
    registered, withdrawn = (_seen(few, found) for few in (file.registered, file.withdrawn))
    if registered.keys() & withdrawn.keys():
        _refuse("says of something that it is offered, and that it is not")
    return Registration(
        SpiffeId.parse(file.spiffe_id),
        file.server,
        registered,
        {(pin.definition.kind, pin.definition.name): pin for pin in pins},
        withdrawn,
    )


def _seen(entries: Iterable[_Registered], found: Sequence[Definition]) -> dict[Key, Registered]:
    return {
        (definition.kind, definition.name): Registered(
            definition, one.since, one.duplicate, one.claimed, tuple(sorted({*one.formerly}))
        )
        for one in entries
        for definition in (found[one.definition],)
    }


def _read_definition(entry: _Definition) -> Definition:
    text = entry.text.encode()
    limits = DefinitionLimits(max_bytes=len(text), max_requires=MAX_REQUIRED)
    found = read_definition(Kind(entry.kind), text, entry.requires, limits=limits, field=_FIELD)
    if found.digest != entry.digest:
        _refuse(f"has a {found.name} whose text has another digest than it says")
    return found


def _refuse(problem: str, cause: Exception | None = None) -> NoReturn:
    message = f"a registration {problem}"
    raise ValueError(message) from cause

"""Tokens that are nearly right, as many as wanted, the same ones for the same seed.

    for vector in mutated(8, 2000, Forge()):
        ...  # as a vector of tests/conformance/vectors/acting_as, without a result

Each has an id of its own, so that none is a replay of another.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from governd.delegation.binding import body_digest
from tests.conformance.vectors.acting_as.make.scene import ARRIVAL, EXPECTATIONS, request
from tests.fakes.forge import BODY, NOW, PLANNER, ROUTER, Forge, digest, nested
from tests.fakes.token_issuer import encode
from tests.odd_values import (
    DETAILS,
    EVIDENCE,
    IDS,
    NUMBERS,
    OTHERS,
    PAYLOADS,
    SCOPES,
    SHIFTS,
    TEXTS,
    TYPES,
    URIS,
)

Changes: TypeAlias = dict[str, Any]
_BODIES = (body_digest(BODY), body_digest(b""), body_digest(BODY)[:-1], "sha-512=:AA==:")
_CERTIFICATES = (digest(b"c"), digest(b"d"), digest(b"c")[:-1] + "B")


class _Near(NamedTuple):
    """What is changed: of the claims, and of how the token comes."""

    claims: Changes
    arrival: Changes = {}  # noqa: RUF012  nobody changes it


def _texts(rng: random.Random) -> _Near:
    return _Near({rng.choice(["sub", "sub_iss", "txn"]): rng.choice(TEXTS)})


def _ids(rng: random.Random) -> _Near:
    return _Near({rng.choice(["aud", "iss"]): rng.choice(IDS)})


def _actors(rng: random.Random) -> _Near:
    actor = rng.choice(IDS)
    if rng.random() < 0.5:
        return _Near({"act": nested(PLANNER, actor), "dep": 2, "pth": digest(b"p")})
    return _Near({"act": {"sub": actor}}, {"peer": rng.choice([actor, PLANNER])})


def _numbers(rng: random.Random) -> _Near:
    return _Near({rng.choice(["iat", "exp", "dep", "mdp"]): rng.choice(NUMBERS)})


def _times(rng: random.Random) -> _Near:
    begins = NOW + rng.choice(SHIFTS)
    return _Near({"iat": begins, "exp": begins + rng.choice([0, 1, 120, 299, 300, 301])})


def _uris(rng: random.Random) -> _Near:
    uri = rng.choice(URIS)
    claims: Changes = {"htu": rng.choice([uri, uri.partition("?")[0]])}
    if "?" in uri and rng.random() < 0.7:
        claims["htq"] = digest(uri.partition("?")[2].encode())
    return _Near(claims, {"request": request(uri=rng.choice([uri, uri, rng.choice(URIS)]))})


def _permissions(rng: random.Random) -> _Near:
    name, values = rng.choice([("scope", SCOPES), ("authorization_details", DETAILS)])
    return _Near({name: rng.choice(values)})


def _attested(rng: random.Random) -> _Near:
    level, token_id = rng.choice(NUMBERS), encode(bytes(16))
    whole = {"lvl": level, "jti": token_id, "dig": digest(b"k")}
    return _Near({"kya": rng.choice([whole, {**whole, "jti": token_id[:-1]}, {"lvl": 1}, *OTHERS])})


def _evidence(rng: random.Random) -> _Near:
    name, values = rng.choice([("exp", NUMBERS), ("iss", TEXTS), ("typ", TEXTS)])
    changed = {**EVIDENCE, name: rng.choice(values)}
    return _Near({"evd": rng.choice([[changed], [changed] * 4, [EVIDENCE] * 5, *OTHERS])})


def _types(rng: random.Random) -> _Near:
    names = ("cnf", "htq", "cdg", "pth", "kya", "evd", "unknown", "nbf", *Forge().claims())
    return _Near({rng.choice(names): rng.choice(OTHERS)})


def _bodies(rng: random.Random) -> _Near:
    came = rng.choice([None, request("GET"), request("post"), request(body=None)])
    return _Near({"cdg": rng.choice(_BODIES)}, {"request": rng.choice([ARRIVAL["request"], came])})


def _certificates(rng: random.Random) -> _Near:
    confirmed = rng.choice([{"x5t#S256": rng.choice(_CERTIFICATES)}, {"jkt": _CERTIFICATES[0]}])
    return _Near({"cnf": confirmed}, {"peer_certificate": rng.choice([None, *_CERTIFICATES[:2]])})


def _peers(rng: random.Random) -> _Near:
    return _Near({}, {"peer": rng.choice([None, ROUTER, PLANNER])})


_WAYS: Sequence[Callable[[random.Random], _Near]] = (
    *(_texts, _ids, _actors, _numbers, _times, _uris, _permissions, _attested),
    *(_evidence, _types, _bodies, _certificates, _peers),
)


def mutated(seed: int, count: int, forge: Forge) -> Iterator[Mapping[str, Any]]:
    """That many vectors."""
    rng = random.Random(seed)  # noqa: S311  no secret
    for number in range(1, count + 1):
        arrival = dict(ARRIVAL)
        token = _token(rng, forge, encode(number.to_bytes(16)), arrival)
        least = {"least_binding": rng.choice(["CALLER", "REQUEST", "BODY"])}
        yield {
            "id": str(number),
            "now": NOW,
            "expectations": {**EXPECTATIONS, **least},
            "arrival": arrival,
            "before": [],
            "presented": {"token": token},
        }


def _token(rng: random.Random, forge: Forge, token_id: str, arrival: Changes) -> str:
    kind = rng.randrange(10)
    claims = forge.claims(jti=token_id)
    if kind < 6:
        for _ in range(rng.choice([1, 1, 1, 2])):
            near = rng.choice(_WAYS)(rng)
            claims.update(near.claims)
            arrival.update(near.arrival)
        text = json.dumps(claims, separators=(",", ":"), ensure_ascii=rng.random() < 0.5)
        return forge.sealed(text.encode("utf-8", "surrogatepass"))
    if kind == 6:
        found, put = rng.choice(PAYLOADS)
        text = json.dumps(claims, separators=(",", ":"))
        return forge.sealed(re.sub(found, lambda _: put, text, count=1).encode())
    if kind == 7:
        return forge.token(_header(rng, forge), jti=token_id)
    return _torn(rng, forge.token(jti=token_id))


def _header(rng: random.Random, forge: Forge) -> dict[str, Any]:
    leaf = forge.header()["x5c"][0]
    chains = [[leaf] * 2, [leaf] * 6, [], leaf, [f"{leaf}\n"], [leaf.rstrip("=")], ["AAAA"], [1]]
    changes: list[dict[str, Any]] = [
        {"alg": rng.choice(["none", "HS256", "ES384", "PS256", "es256", 1, ["ES256"], None])},
        {"typ": rng.choice(TYPES)},
        {"x5c": rng.choice(chains)},
        rng.choice([{"kid": "a"}, {"crit": ["b64"], "b64": False}, {"jku": "https://x"}]),
    ]
    return forge.header(**rng.choice(changes))


def _torn(rng: random.Random, token: str) -> str:
    """Another letter, one more, a part less."""
    header, payload, signature = token.split(".")
    place = rng.randrange(len(token))
    letter = rng.choice("ABCDabcd0129-_.=+/ ,")
    whole = token[:place] + letter + token[place + rng.randrange(2) :]
    parts = [
        f"{header}.{payload}.",
        f"{header}..{signature}",
        f"{token}.{signature}",
        f"{token}=",
        f"{signature}.{payload}.{header}",
        f"{token[:-4]}",
        f"{token}AAAA",
        "..",
        f"{header}.{payload}.{'A' * 86}",
    ]
    return rng.choice([whole, rng.choice(parts)])

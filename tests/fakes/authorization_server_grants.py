"""What an authorization server grants: each grant of RFC 6749, 7523, 8693 and of ID-JAG.

A grant says what the token is to say, or refuses with the code of its RFC.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tests.fakes.authorization_server_checks import (
    ACCESS_TOKEN,
    ID_JAG,
    ID_TOKEN,
    URN,
    Claims,
    Client,
    Code,
    Refused,
    Trust,
    audience,
    expect,
    peek,
)

GRANTS: Mapping[str, str] = {
    f"{URN}grant-type:token-exchange": "token-exchange",
    f"{URN}grant-type:jwt-bearer": "jwt-bearer",
    "client_credentials": "client-credentials",
}
"""Words of ``AuthorizationServer.asked``, by ``grant_type``."""

_LOGIN = ("auth_time", "acr", "amr")
"""What an ID-JAG says of how the user logged in."""


class Asked(NamedTuple):
    """A request whose client is known.

    Attributes:
        form: Its parameters.
        client: Who asks.
        trust: Whose word counts.
        targets: What there are tokens for; ``None``: anything.
        now: Seconds since 1970.
    """

    form: Mapping[str, str]
    client: Client
    trust: Trust
    targets: set[str] | None
    now: float


class Issue(NamedTuple):
    """What to issue.

    Attributes:
        typ: Of the token's header.
        claims: Beside those that every token of the issuer has.
        token_type: How to use it (RFC 6749, section 7.1).
        reply: More members of the answer.
    """

    typ: str
    claims: Mapping[str, Any]
    token_type: str = "Bearer"
    reply: Mapping[str, Any] = {}


def granted(asked: Asked) -> Issue:
    """What the client gets.

    Raises:
        Refused: Nothing.
    """
    form = asked.form
    grant = GRANTS.get(form.get("grant_type", ""))
    if grant is None:
        raise Refused(Code.UNSUPPORTED_GRANT_TYPE)
    if form.get("requested_token_type") == ID_JAG:
        return _id_jag(asked)
    by_name: Mapping[str, Callable[[Asked], Issue]] = {
        "token-exchange": _exchange,
        "jwt-bearer": _assertion,
        "client-credentials": _credentials,
    }
    return by_name[grant](asked)


def _exchange(asked: Asked) -> Issue:
    if asked.form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise Refused(Code.INVALID_REQUEST, "this type is not issued here")
    about = _parties(asked, Code.INVALID_REQUEST)
    claims = {**about, **_granted(asked, _targets(asked))}
    return Issue("at+jwt", claims, reply={"issued_token_type": ACCESS_TOKEN})


def _id_jag(asked: Asked) -> Issue:
    """The first leg of ID-JAG, at the user's identity provider."""
    form, client = asked.form, asked.client
    if form.get("subject_token_type") != ID_TOKEN:
        raise Refused(Code.INVALID_REQUEST, "expected an ID token")
    server = form.get("audience")
    if server is None:
        raise Refused(Code.INVALID_REQUEST, "audience is missing")
    about = _parties(asked, Code.INVALID_GRANT)
    login = {name: one for name, one in _party(asked, "subject_token").items() if name in _LOGIN}
    claims = {**login, **about, **_granted(asked, [server])}
    claims["client_id"] = client.known_as.get(server, client.client_id)
    if "resource" in form:
        claims["resource"] = form["resource"]
    return Issue("oauth-id-jag+jwt", claims, "N_A", {"issued_token_type": ID_JAG})


def _assertion(asked: Asked) -> Issue:
    """A grant of somebody else's: an ID-JAG, or any assertion of RFC 7523."""
    try:
        claims = _grant_of_another(asked)
    except ValueError as why:
        raise Refused(Code.INVALID_GRANT, str(why)) from None
    about = {name: claims[name] for name in ("sub", "act") if name in claims}
    targets = _targets(asked) or [claims.get("resource", asked.trust.issuer)]
    return Issue("at+jwt", {**about, **_granted(asked, targets, claims.get("scope"))})


def _grant_of_another(asked: Asked) -> Claims:
    """The claims of a grant that is for here, and for this client.

    Raises:
        ValueError: It is not.
    """
    token, trust = asked.form.get("assertion", ""), asked.trust
    claims = trust.signed(token, asked.now)
    expect(audience(claims) == [trust.issuer], "is not for this issuer alone")
    expect(claims["iss"] != trust.issuer, "no grant of its own is taken")
    expect(bool(claims.get("sub")) and bool(claims.get("jti")), "sub or jti is missing")
    if peek(token)[0].get("typ") == "oauth-id-jag+jwt":  # may be shown again
        expect(claims.get("client_id") == asked.client.client_id, "is another client's")
    else:
        trust.once(claims)
    return claims


def _credentials(asked: Asked) -> Issue:
    targets = _targets(asked) or [asked.trust.issuer]
    about = {"sub": asked.client.client_id}
    return Issue("at+jwt", {**about, **_granted(asked, targets)})


def _parties(asked: Asked, error: Code) -> dict[str, Any]:
    """Whose the token is to be, who acts, and who acted before (RFC 8693, section 4.1)."""
    form = asked.form
    if ("actor_token" in form) != ("actor_token_type" in form):
        raise Refused(Code.INVALID_REQUEST, "actor_token and actor_token_type go together")
    try:
        subject = _party(asked, "subject_token")
        before = {"act": subject["act"]} if "act" in subject else {}
        if "actor_token" not in form:
            return {"sub": subject["sub"], **before}
        actor = _party(asked, "actor_token")
        may = subject.get("may_act", {}).get("sub", actor["sub"])
        expect(may == actor["sub"], "the subject has named another actor")
        named = actor.get("client_id", asked.client.client_id)
        expect(named == asked.client.client_id, "another client's token is no actor")
    except ValueError as why:
        raise Refused(error, str(why)) from None
    return {"sub": subject["sub"], "act": {"sub": actor["sub"], **before}}


def _party(asked: Asked, name: str) -> Claims:
    token, kind = asked.form.get(name, ""), asked.form.get(f"{name}_type", "")
    return asked.trust.party(token, kind, asked.client, asked.now)


def _targets(asked: Asked) -> list[str]:
    return [asked.form[name] for name in ("resource", "audience") if name in asked.form]


def _granted(asked: Asked, targets: Sequence[str], most: str | None = None) -> dict[str, Any]:
    """Target, client and scope of a token; ``most``: the scope of the grant that it rests on."""
    known = asked.targets
    if not targets or (known is not None and not known.issuperset(targets)):
        raise Refused(Code.INVALID_TARGET)
    allowed = sorted(asked.client.scopes) if most is None else most.split()
    wanted = asked.form["scope"].split() if "scope" in asked.form else allowed
    words = [one for one in wanted if one in allowed and one in asked.client.scopes]
    if not words:
        raise Refused(Code.INVALID_SCOPE)
    aud = targets[0] if len(targets) == 1 else list(targets)
    return {"aud": aud, "client_id": asked.client.client_id, "scope": " ".join(words)}

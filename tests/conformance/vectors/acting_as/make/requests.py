"""Whom and what request a token is for, and how it travels."""

from collections.abc import Iterator
from typing import Any

from governd.delegation.binding import body_digest
from governd.identity.x509_rules import thumbprint
from tests.conformance.vectors.acting_as.make.scene import Case, Scene, request
from tests.fakes.forge import BODY, PLANNER, ROUTER, TOOLS, URI, digest

META = "io.governd/acting-as-token"
EXTENSION = "https://governd.io/ext/acting-as/v1"
BINDING = "RFC 9449 section 4.3, RFC 9530 section 2; docs/delegation.md step 10"
CALLER = "docs/delegation.md step 11"
HEADER = "Acting-As-Token"


def cases(scene: Scene) -> Iterator[Case]:
    """Audience, request, caller, replay, carriage."""
    yield from _audiences(scene)
    yield from _requests(scene)
    yield from _callers(scene)
    yield from _levels(scene)
    yield from _replays(scene)
    yield from _carriage(scene)


def _audiences(scene: Scene) -> Iterator[Case]:
    rule = "RFC 7519 section 4.1.3; docs/delegation.md step 8"
    others = {"longer": f"{TOOLS}-evil", "shorter": TOOLS[:-1], "caller": PLANNER}
    others["letters"] = TOOLS.replace("github", "GitHub")
    for name, audience in others.items():
        text = scene.ours.token(aud=audience)
        yield Case(f"aud-{name}", f"For {audience}", rule, text, "AUDIENCE")
    two = {"audiences": [PLANNER, TOOLS]}
    yield Case(
        "aud-of-two", "A receiver with two names", rule, scene.ours.token(), expectations=two
    )


def _requests(scene: Scene) -> Iterator[Case]:
    whole, plain = scene.ours.token(cdg=body_digest(BODY)), scene.ours.token()
    level = {"binding": "BODY"}
    yield Case("body", "The request that it is for", BINDING, whole, accepted=level)
    moved: dict[str, tuple[dict[str, Any], str]] = {
        "method": (request("GET"), "REQUEST_METHOD"),
        "path": (request(uri=f"{URI}/admin"), "REQUEST_URI"),
        "slash": (request(uri=f"{URI}/"), "REQUEST_URI"),
        "letters": (request(uri=URI.replace("mcp", "MCP")), "REQUEST_URI"),
        "host": (request(uri=URI.replace("github", "other")), "REQUEST_URI"),
        "port": (request(uri=URI.replace("example", "example:8443")), "REQUEST_URI"),
        "scheme": (request(uri=URI.replace("https", "http")), "REQUEST_URI"),
        "query": (request(uri=f"{URI}?all=1"), "REQUEST_URI"),
        "body": (request(body=BODY.replace(b"search", b"delete")), "REQUEST_BODY"),
        "no-body": (request(body=b""), "REQUEST_BODY"),
        "body-unread": (request(body=None), "REQUEST_BODY"),
    }
    for name, (came, reason) in moved.items():
        title = f"Moved to another {name}"
        yield Case(f"moved-{name}", title, BINDING, whole, reason, arrival={"request": came})
    nothing = {"request": None}
    yield Case("unseen", "No request to see", BINDING, plain, "REQUEST_METHOD", arrival=nothing)
    spelled = {"request": request(uri="HTTPS://GitHub-MCP.example:443/mcp")}
    yield Case("spelled", "Host in capitals, default port", BINDING, plain, arrival=spelled)
    asked = {"request": request(uri=f"{URI}?all=1")}
    text = scene.ours.token(htq=digest(b"all=1"))
    yield Case("query", "A query, by its digest", BINDING, text, arrival=asked)
    yield Case("query-missing", "A query left out", BINDING, text, "REQUEST_URI")


def _callers(scene: Scene) -> Iterator[Case]:
    ours = scene.ours
    came = {"peer": ROUTER}
    yield Case(
        "caller-other", "Somebody else sends it", CALLER, ours.token(), "CALLER", arrival=came
    )
    text = ours.deep(PLANNER, ROUTER)
    yield Case("caller-earlier", "An earlier actor sends it", CALLER, text, "CALLER", arrival=came)
    certificate = thumbprint(ours.authority.issue(PLANNER).chain[0])
    text = ours.token(cnf={"x5t#S256": certificate})
    rule = f"RFC 8705 section 3.1; {CALLER}"
    shown = {"peer_certificate": certificate}
    yield Case("cnf", "With the certificate that it names", rule, text, arrival=shown)
    for name, other in {"other": digest(b"another"), "none": None}.items():
        reason, also = "CALLER_CERTIFICATE", {"peer_certificate": other}
        yield Case(f"cnf-{name}", "Another certificate", rule, text, reason, arrival=also)


def _levels(scene: Scene) -> Iterator[Case]:
    tokens = {
        "CALLER": scene.ours.token(htm=None, htu=None),
        "REQUEST": scene.ours.token(),
        "BODY": scene.ours.token(cdg=body_digest(BODY)),
    }
    levels = list(tokens)
    for place, (level, text) in enumerate(tokens.items()):
        for least in levels:
            reason = "BINDING_TOO_WEAK" if levels.index(least) > place else ""
            expected = {"least_binding": least}
            title = f"Tied to {level}, {least} demanded"
            accepted = {} if reason else {"binding": level}
            name = f"level-{level.lower()}-{least.lower()}"
            yield Case(name, title, CALLER, text, reason, accepted, expectations=expected)
    anybody = {"peer": None}
    title = "Nobody proved to have sent it"
    text = tokens["BODY"]
    yield Case("level-anybody", title, CALLER, text, "BINDING_TOO_WEAK", arrival=anybody)


def _replays(scene: Scene) -> Iterator[Case]:
    rule, first = "docs/delegation.md step 12", scene.ours.token()
    yield Case("replayed", "The same again", rule, first, "REPLAYED", before=[first])
    again = scene.ours.token()
    yield Case("replayed-id", "The same id, signed again", rule, again, "REPLAYED", before=[first])
    refused = scene.ours.token(scope="b a")
    yield Case("not-used", "Refused before is not used", rule, first, before=[refused])


def _carriage(scene: Scene) -> Iterator[Case]:
    text = scene.ours.token()
    rule = "RFC 9110 section 5.3; docs/delegation.md step 1"
    good: dict[str, dict[str, Any]] = {
        "header": {"headers": [["Host", "x"], [HEADER, text]]},
        "header-lower": {"headers": [[HEADER.lower(), text]]},
        "mcp": {"mcp_meta": {META: text, "progressToken": 1}},
        "a2a": {"a2a_metadata": {EXTENSION: {"token": text}}},
        "both": {"headers": [[HEADER, text]], "mcp_meta": {META: text}},
    }
    for name, presented in good.items():
        yield Case(f"carried-{name}", "One token", rule, presented)
    other = scene.ours.token(sub="user:eve@example.com")
    bad: dict[str, dict[str, Any]] = {
        "twice": {"headers": [[HEADER, text], [HEADER, text]]},
        "twice-case": {"headers": [[HEADER, text], [HEADER.lower(), other]]},
        "merged": {"headers": [[HEADER, f"{text}, {other}"]]},
        "merged-tight": {"headers": [[HEADER, f"{text},{other}"]]},
        "underscores": {"headers": [["Acting_As_Token", text]]},
        "underscores-too": {"headers": [[HEADER, text], ["acting_as_token", other]]},
        "space": {"headers": [[HEADER, f" {text}"]]},
        "empty": {"headers": [[HEADER, ""]]},
        "bearer": {"headers": [[HEADER, f"Bearer {text}"]]},
        "differ": {"headers": [[HEADER, text]], "mcp_meta": {META: other}},
        "mcp-list": {"mcp_meta": {META: [text]}},
        "a2a-text": {"a2a_metadata": {EXTENSION: text}},
        "a2a-more": {"a2a_metadata": {EXTENSION: {"token": text, "other": 1}}},
    }
    for name, presented in bad.items():
        yield Case(f"carried-{name}", "Not one token", rule, presented, "CARRIAGE")

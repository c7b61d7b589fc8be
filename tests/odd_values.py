"""Values at the edges of what claims may hold, on both sides, for ``mutated_tokens``."""

from typing import Any

from tests.fakes.forge import DETAIL, NOW, PLANNER, ROUTER, TOOLS, URI, digest

TEXTS: list[Any] = [
    *("", "a", "é", "\u00ad", "\u200b", "\ufffd", "\x85", "\x7f", "\x1f", "\u2028", "😀"),
    *("x" * 1024, "x" * 1025, "a#b", " ", "\ud800", PLANNER),
]
IDS = [
    *(PLANNER, ROUTER, TOOLS, "spiffe://partner.example/x", "SPIFFE://example.org/a"),
    *(f"spiffe://example.org/{'a' * length}" for length in (2027, 2028)),
    *(f"spiffe://{'a' * length}/x" for length in (255, 256)),
    *(f"spiffe://example.org{path}" for path in ("/a/", "/a//b", "/./a", "/a%20", "/a~", "/a?x")),
    *(f"spiffe://{name}/a" for name in ("EXAMPLE.org", "example.org:80", "exa_mple.org", "-", ".")),
    *("spiffe://example.org/é", "spiffe://example.org"),
]
NUMBERS: list[Any] = [
    *(0, -1, 1, 4, 8, 9, 1.0, 1e3, True, "1", None),
    *(253_402_300_799, 253_402_300_800, 2**63 - 1, 2**63, 10**30),
]
SHIFTS = [-400, -361, -360, -300, -181, -180, -179, -121, -61, -60, 0, 59, 60, 61, 3600]
"""Of ``iat``, in seconds."""
_SITE = "https://github-mcp.example"
URIS = [
    *(URI, f"{URI}?", f"{URI}#", f"{URI}?a=1", f"{URI}/", URI.upper(), _SITE),
    *(f"{_SITE}{port}/mcp" for port in (":443", ":0443", ":99999", ".")),
    *("https://[::1]/mcp", "https://[::1]:8443/mcp", "https://[::g]/mcp", "https://a..b/mcp"),
    *("https://a-/x", "http://github-mcp.example:443/mcp", f"{_SITE}//"),
    *(f"{_SITE}/{path}" for path in ("a//b", "a/./b", "a/..", "a\\b", "a'b", "a=b;c?d%zz")),
    *(f"{_SITE}/%{rest}" for rest in ("41", "2f", "2F", "5C", "C3%A9", "", "4")),
    *(f"{_SITE}/{'a' * length}" for length in (997, 998)),
]
SCOPES = [
    *("", " ", "a", "a b", "b a", "a a", "a  b", "a\tb", 'a"b', "a\\b", "é", "\n", "a ", "A a"),
    *("x" * 256, "x" * 257),
    *(" ".join(f"s{number:03}" for number in range(count)) for count in (64, 65)),
]
DETAILS: list[Any] = [
    *([], DETAIL, [None], [DETAIL], [DETAIL] * 2, [DETAIL] * 16, [DETAIL] * 17),
    *(
        [{**DETAIL, "tools": tools}]
        for tools in (
            *([], ["b", "a"], ["a", "a"], ["x" * 512], ["x" * 513], ["\ufffd"], None),
            *([str(number) for number in range(count)] for count in (64, 65)),
        )
    ),
    *([{**DETAIL, "type": "other"}], [{**DETAIL, "type": None}], [{**DETAIL, "x": 1}]),
]
EVIDENCE = {"typ": "urn:x", "dig": digest(b"e"), "iss": "https://idp.example", "exp": NOW}
OTHERS: list[Any] = [None, [], {}, "", 0, True, [1], {"x": 1}, "x"]
TYPES: list[Any] = [
    *("JWT", "acting-as+JWT", "application/acting-as+jwt", "acting-as+jwt ", 1, None),
    "kya-attestation+jwt",
]
_INSIDE = (
    "\\ud800",
    "\\udc00\\ud800",
    "\\ud83d\\ude00",
    "\\u0000",
    "\\/",
    "\\u007F",
    "\x01",
    "\\x",
)
_MOST = (
    *("4.0", "04", "+4", "-0", "4e0", "NaN", "1e400", "9" * 5000),
    *('4,"mdp":4', '4,"MDP":9'),
)
PAYLOADS = [
    *(("workflow-1", text) for text in _INSIDE),
    *(('"mdp":4', f'"mdp":{text}') for text in _MOST),
    *(("$", text) for text in ("x", "{}", "\x00", "\ufeff", "\v", "\u00a0", " \n\t")),
    *(("^", text) for text in (" \n", "\ufeff")),
    *(('"txn":', text) for text in ('"txn":"x","txn":', '"t\\u0078n":')),
    ('"scope":', f'"x":{"[" * 70}{"]" * 70},"scope":'),
]
"""What to look for in a payload, and what to put there."""

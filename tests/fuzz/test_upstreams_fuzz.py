"""Whatever a manifest says of upstreams: tables that hold together, or mistakes; never a crash."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from governd.errors import PolicyError
from governd.policy.bundle import PolicySource
from governd.policy.lint import lint
from governd.policy.reserved import Reserved
from governd.policy.source import read_source
from governd.policy.toml_lines import line_of_path
from tests.policies import base, compiled, source_files
from tests.upstreams import UPSTREAMS

NAMES = st.sampled_from(["corp", "idp", "crm", "A", ""])
ADDRESSES = st.sampled_from(
    [
        "https://a.example",
        "https://b.example/",
        "http://127.0.0.1:1",
        "http://a.example",
        "urn:a:b",
        "spiffe://example.org/a",
        "#",
        "",
    ]
)
LEAVES = NAMES | ADDRESSES | st.integers(-1, 100_000) | st.booleans() | st.floats(allow_nan=False)
TREES = LEAVES | st.lists(LEAVES, max_size=3)
WORDS = st.lists(st.sampled_from(["a", "b", "resource", "audience", "a b"]), max_size=3)
SUBJECTS = st.sampled_from(["user", "agent", "governd"])
GRANTS = ["token-exchange", "id-jag", "jwt-bearer", "client-credentials"]
MEMBERS: Mapping[str, st.SearchStrategy[Any]] = {
    "name": NAMES,
    "issuer": ADDRESSES,
    "client_authentication": st.sampled_from(["jwt-spiffe", "private_key_jwt", "none"]),
    "client_id": NAMES | TREES,
    "client_key": NAMES,
    "token_endpoint": ADDRESSES,
    "client_secret": TREES,
    "authorization_server": NAMES,
    "grant": st.sampled_from(GRANTS),
    "resource": ADDRESSES,
    "audience": ADDRESSES | NAMES,
    "send": WORDS,
    "token_audiences": WORDS,
    "identity_provider": NAMES,
    "subject": SUBJECTS | TREES,
    "users_from": st.lists(ADDRESSES, max_size=2) | TREES,
    "renames_users": st.booleans() | TREES,
    "client": SUBJECTS,
    "agent_client": st.lists(
        st.fixed_dictionaries({"agent": ADDRESSES, "client_id": NAMES | ADDRESSES}), max_size=2
    )
    | TREES,
    "actor": st.sampled_from(["agent", "governd", "client", "unsafe_none"]) | TREES,
    "assertion_issuer": ADDRESSES,
    "scopes": WORDS | TREES,
    "token_format": st.sampled_from(["jwt", "opaque"]),
    "max_lifetime_seconds": st.integers(0, 100_000) | TREES,
    "min_lifetime_seconds": st.integers(0, 100_000),
}
CHANGES = st.sampled_from(sorted(MEMBERS)).flatmap(
    lambda name: MEMBERS[name].map(lambda member: {name: member})
)
"""One member is another, or one more; none mostly."""
GOOD_SERVERS = [
    {
        "name": name,
        "issuer": f"https://{name}.example",
        "client_authentication": "private_key_jwt",
        "client_id": "governd",
        "client_key": name,
    }
    for name in ("corp", "idp")
]
GOOD_UPSTREAMS = [
    {
        "name": grant,
        "resource": f"https://{grant}.example",
        "authorization_server": "corp",
        "grant": grant,
        **({"identity_provider": "idp"} if grant == "id-jag" else {}),
        **({"users_from": ["https://idp.example"]} if grant == "jwt-bearer" else {}),
    }
    for grant in GRANTS
]


def tables(name: str, good: list[dict[str, Any]]) -> st.SearchStrategy[str]:
    """Tables, most of them good."""
    one = st.builds(dict[str, Any].__or__, st.sampled_from(good), st.just({}) | CHANGES)
    some = st.just(good) | st.lists(one, max_size=3)
    return some.map(lambda found: "".join(toml(name, members) for members in found))


def toml(table: str, members: dict[str, Any]) -> str:
    lines = (f"{name} = {_value(member)}" for name, member in members.items())
    return f"\n[[{table}]]\n" + "\n".join(lines)


def _value(member: Any) -> str:
    """As TOML writes it: tables within a line are not those of JSON."""
    if isinstance(member, dict):
        return "{" + ", ".join(f"{name} = {_value(one)}" for name, one in member.items()) + "}"
    if isinstance(member, list):
        return "[" + ", ".join(map(_value, member)) + "]"
    return json.dumps(member)


def source_of(manifest: str) -> PolicySource | None:
    try:
        return read_source(source_files(manifest=manifest), base())
    except PolicyError as error:
        for problem in error.problems:
            assert problem.line or "files" in problem.message
            str(problem).encode()
        return None


MANIFESTS = st.builds(
    str.__add__,
    tables("authorization_server", GOOD_SERVERS),
    tables("upstream", GOOD_UPSTREAMS),
)


@given(MANIFESTS)
def test_what_is_read_holds_together(text: str) -> None:
    source = source_of(text)
    if source is None:
        return
    manifest = source.manifest
    reserved = Reserved((), manifest.authorization_server)
    lint(source)
    for upstream in manifest.upstream:
        server = manifest.authorization_servers_by_name[upstream.authorization_server]
        assert server.issuer in reserved
        assert upstream.token_audiences_or_default
        assert upstream.for_user == bool(upstream.evidence)
        assert upstream.for_user == (upstream.actor is not None)
        if upstream.grant == "jwt-bearer":
            assert len(upstream.users_from) == 1
        if upstream.grant == "id-jag":
            provider = manifest.authorization_servers_by_name[upstream.identity_provider or ""]
            assert provider.issuer != server.issuer
            assert server.client_id


@given(MANIFESTS)
def test_a_good_manifest_is_the_same_in_its_compiled_form(text: str) -> None:
    source = source_of(text)
    if source is not None:
        assert compiled(manifest=text).manifest == source.manifest


@given(st.integers(0, UPSTREAMS.count("\n")), st.text(max_size=20))
@example(0, "[[")
@example(3, 'send = ["')
def test_a_line_that_is_something_else(number: int, text: str) -> None:
    lines = UPSTREAMS.split("\n")
    lines[number] = text
    try:
        read_source(source_files(manifest="\n".join(lines)), base())
    except PolicyError as error:
        assert error.problems


@given(st.integers(0, 40), st.sampled_from(["name", "grant", "scopes", "x"]))
def test_a_line_is_where_the_reader_of_toml_has_it(index: int, name: str) -> None:
    upstreams = tomllib.loads(UPSTREAMS)["upstream"]
    line = line_of_path(UPSTREAMS, ("upstream", index, name))
    found = UPSTREAMS.split("\n")[line - 1]
    if index >= len(upstreams):
        assert found == "[[authorization_server]]" or line == 0
    elif name in upstreams[index]:
        assert tomllib.loads(found)[name] == upstreams[index][name]
    else:
        assert found == "[[upstream]]"

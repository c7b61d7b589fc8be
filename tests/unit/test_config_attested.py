"""Settings of listeners whose caller the source of identities knows, and of the path template."""

from pathlib import Path

import pytest

from governd.config import AttestedListener, Config, parse
from governd.errors import ConfigError

SPIRE = '[identity]\nsource = "spire"\nspire_admin_socket = "/run/spire/admin.sock"\n'
TEMPLATE = 'path_template = "/ns/{namespace}/sa/{service_account}"\n'
EMBEDDED = "[identity]\n"
FACTS = 'facts = {namespace = "shop", service_account = "web"}'


def read(text: str) -> Config:
    text = f'trust_domain = "example.org"\n{text}'
    return parse(text, file="governd.toml", base=Path("/etc/governd"), environ={})


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        read(text)
    return [str(problem).partition(": ")[2] for problem in refusal.value.problems]


def attested(*lines: str, name: str = "web", selectors: str = '["k8s:ns:shop"]') -> str:
    head = f'[[listener]]\nattestation = "spire"\nname = "{name}"\nsocket = "{name}.sock"\n'
    return f"{head}selectors = {selectors}\n" + "".join(f"{line}\n" for line in lines)


def test_an_attested_listener_has_selectors_and_perhaps_facts() -> None:
    first, second = read(SPIRE + attested() + attested(FACTS, name="b")).listener
    assert isinstance(first, AttestedListener)
    assert isinstance(second, AttestedListener)
    assert [str(one) for one in first.selectors] == ["k8s:ns:shop"]
    assert (first.facts, first.mode, first.socket) == ({}, 0o660, Path("/etc/governd/web.sock"))
    assert second.facts == {"namespace": "shop", "service_account": "web"}


def test_a_template_is_read_from_file_or_environment() -> None:
    assert str(read(SPIRE + TEMPLATE).identity.path_template).startswith("/ns/")
    assert read(SPIRE).identity.path_template is None
    found = parse(
        'trust_domain = "example.org"\n',
        file="governd.toml",
        base=Path("/"),
        environ={"GOVERND_IDENTITY__PATH_TEMPLATE": "/ns/{namespace}"},
    )
    assert found.identity.path_template is not None
    assert found.identity.path_template.fields == ("namespace",)
    assert found.unsafe_settings() == (), "a documented setting, and no unsafe one"


def test_the_embedded_authority_names_callers_by_the_template() -> None:
    (listener,) = read(EMBEDDED + TEMPLATE + attested(FACTS)).listener
    assert isinstance(listener, AttestedListener)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SPIRE + attested(selectors="[]"), "listener[0].selectors: expected at least one"),
        (SPIRE + attested(selectors='["k8s"]'), 'listener[0].selectors[0]: expected "type:value"'),
        (SPIRE + attested("facts = 3"), "listener[0].facts: "),
        (SPIRE + attested('facts = {Namespace = "x"}'), "listener[0].facts.Namespace"),
        (SPIRE + attested('facts = {a = ""}'), "listener[0].facts.a: "),
        (SPIRE + attested('facts = {a = "x\\ny"}'), "listener[0].facts.a: "),
        (SPIRE + attested("facts = {a = 3}"), "listener[0].facts.a: "),
        (
            SPIRE + attested("facts = {" + ", ".join(f'a{i} = "x"' for i in range(17)) + "}"),
            "listener[0].facts: ",
        ),
        (SPIRE + attested('facts = {listener = "admin"}'), "listener[0].facts: expected none"),
        (SPIRE + attested('spiffe_id = "spiffe://example.org/a"'), "listener[0].spiffe_id: unkn"),
        (SPIRE + attested(name="a b"), "listener[0].name: "),
        (SPIRE + attested() + attested(), "listener[1].name: expected a name of its own"),
        (SPIRE + attested(name="admin"), 'listener[0].name: expected another name than "admin"'),
        (
            SPIRE + attested(selectors='["k8s:ns:a\\u001b[2J"]'),
            'listener[0].selectors[0]: expected "type:value"',
        ),
        (
            SPIRE + attested(selectors=str([f"k:{number}" for number in range(65)])),
            "listener[0].selectors: ",
        ),
        (
            SPIRE + attested() + '[[listener]]\nsocket = "../governd/web.sock"\n'
            'spiffe_id = "spiffe://example.org/b"\n',
            "listener[1].socket: expected a path of its own, listener[0] has it",
        ),
        (
            EMBEDDED + attested(FACTS),
            'listener[0].attestation: expected none that is "spire", because source is "embedded"',
        ),
        (
            EMBEDDED + TEMPLATE + attested('facts = {namespace = "shop"}'),
            'listener[0].facts: expected "service_account" among them',
        ),
        (
            SPIRE + TEMPLATE + attested('facts = {namespace = "..", service_account = "web"}'),
            "listener[0].facts.namespace: expected a segment",
        ),
        (SPIRE + "path_template = 3\n", "identity.path_template: expected a path in quotes"),
        (SPIRE + 'path_template = "/x"\n', "identity.path_template: expected at least one {fact}"),
        (
            SPIRE + 'path_template = "/governd/server/{node}"\n',
            "identity.path_template: expected none of governd's own",
        ),
    ],
)
def test_a_mistake_says_its_place_and_what_was_expected(text: str, said: str) -> None:
    found = mistakes(text)
    assert any(line.startswith(said) for line in found), found


@pytest.mark.req("sa-3", part=True)
@pytest.mark.parametrize(
    ("identity", "selectors", "said"),
    [
        ("", ["governd:identity:signer"], "selectors[0]: expected none of type"),
        ("", ["k8s:ns:a", "governd:anything"], "selectors[1]: expected none of type"),
        (
            'signing_selectors = ["k8s:ns:g", "k8s:sa:signer"]\n',
            ["k8s:sa:signer", "k8s:pod:x", "k8s:ns:g"],
            "selectors: expected not all of identity.signing_selectors",
        ),
        (
            'serving_selectors = ["k8s:ns:g"]\n',
            ["k8s:ns:g"],
            "selectors: expected not all of identity.serving_selectors",
        ),
    ],
)
def test_attack_a_listener_whose_workload_would_be_governd_itself(
    identity: str, selectors: list[str], said: str
) -> None:
    (line,) = mistakes(SPIRE + identity + attested(selectors=str(selectors)))
    assert line.startswith(f"listener[0].{said}")


def test_a_listener_may_share_some_selectors_with_governd() -> None:
    own = 'serving_selectors = ["k8s:ns:g", "k8s:sa:governd"]\n'
    assert read(SPIRE + own + attested(selectors='["k8s:ns:g", "k8s:sa:web"]')).listener


@pytest.mark.parametrize("path", ["/governd", "/governd/signer/n"])
def test_attack_a_static_caller_that_is_governd(path: str) -> None:
    listener = f'[[listener]]\nsocket = "a.sock"\nspiffe_id = "spiffe://example.org{path}"\n'
    (line,) = mistakes(listener)
    assert line.startswith("listener[0].spiffe_id: expected none of governd's own IDs")
    assert read(listener.replace("governd", "governd-proxy")).listener


def test_a_template_that_is_refused_is_one_mistake() -> None:
    (line,) = mistakes(EMBEDDED + 'path_template = "/x"\n' + attested(FACTS))
    assert line.startswith("identity.path_template")

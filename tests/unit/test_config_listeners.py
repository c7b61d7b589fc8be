"""Settings of workload listeners, of every kind."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from governd.config import Config, MtlsListener, StaticListener, parse
from governd.errors import ConfigError

MINIMAL = 'trust_domain = "example.org"\n'
SPIRE = '[identity]\nsource = "spire"\nspire_admin_socket = "/run/spire/admin.sock"\n'
STATIC = '[[listener]]\nsocket = "a.sock"\nspiffe_id = "spiffe://example.org/agent/a"\n'


def read(text: str) -> Config:
    return parse(MINIMAL + text, file="governd.toml", base=Path("/etc/governd"), environ={})


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        read(text)
    return [str(problem) for problem in refusal.value.problems]


def mtls(*lines: str, place: str = 'socket = "mtls.sock"') -> str:
    return "\n".join(["[[listener]]", 'attestation = "mtls"', place, *lines]) + "\n"


def only(text: str) -> MtlsListener:
    (listener,) = read(text).listener
    assert isinstance(listener, MtlsListener)
    return listener


# What a good configuration means


def test_a_listener_is_static_unless_it_says_otherwise() -> None:
    first, second = read(STATIC + mtls()).listener
    assert isinstance(first, StaticListener)
    assert isinstance(second, MtlsListener)


def test_an_mtls_listener_stands_on_a_socket_or_at_an_address() -> None:
    assert only(mtls()).socket == Path("/etc/governd/mtls.sock")
    assert only(mtls()).address is None
    there = only(mtls(place='address = "[::1]:8443"'))
    assert (there.socket, there.address) == (None, "[::1]:8443")


def test_an_mtls_listener_takes_any_caller_of_our_domain_unless_it_says_otherwise() -> None:
    listener = only(mtls())
    assert (listener.trust_domains, listener.allowed_ids) == ((), ())
    assert (listener.name, listener.mode) == ("mtls", 0o660)


def test_an_mtls_listener_names_trust_domains_and_ids() -> None:
    listener = only(
        mtls(
            'trust_domains = ["example.org", "partner.org"]',
            'allowed_ids = ["spiffe://example.org/agent", "spiffe://partner.org"]',
        )
    )
    assert listener.trust_domains == ("example.org", "partner.org")
    assert list(map(str, listener.allowed_ids)) == [
        "spiffe://example.org/agent",
        "spiffe://partner.org",
    ]


def test_mtls_is_for_production_too() -> None:
    production = parse(
        f"production = true\n{MINIMAL}{SPIRE}{mtls()}", file="x", base=Path("/"), environ={}
    )
    assert production.listener


def test_every_default_is_in_its_own_range() -> None:
    listener = only(mtls())
    said = f"connections = {listener.connections}\n"
    said += f"connection_age_seconds = {listener.connection_age_seconds}\n"
    assert only(mtls(said)) == listener


# What is a mistake


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[[listener]]\nattestation = "mttls"\n',
            "3: listener[0].attestation: expected 'static' or 'mtls' or 'spire', got 'mttls'",
        ),
        (
            "[[listener]]\nattestation = 3\n",
            "3: listener[0].attestation: expected 'static' or 'mtls'",
        ),
        (
            mtls('spiffe_id = "spiffe://example.org/a"'),
            "5: listener[0].spiffe_id: unknown key, expected one of address, allowed_ids",
        ),
        (mtls("connection = 3"), "5: listener[0].connection: unknown key, did you mean"),
        (f"{STATIC}trust_domain = 3", "5: listener[0].trust_domain: unknown key, expected one"),
        (
            mtls('address = "localhost:1"'),
            "5: listener[0].address: expected a value here or for socket, and not for both",
        ),
        (
            mtls(place=""),
            "2: listener[0].address: expected a value here or for socket, and not for both",
        ),
        (mtls(place='address = "localhost"'), '4: listener[0].address: expected "host:port"'),
        (mtls(place='address = "h:65536"'), '4: listener[0].address: expected "host:port"'),
        (mtls("trust_domains = 3"), "5: listener[0].trust_domains: expected an array"),
        (mtls('trust_domains = ["A.b"]'), "5: listener[0].trust_domains[0]: the trust domain must"),
        (
            mtls('trust_domains = ["a.b/c"]'),
            "5: listener[0].trust_domains[0]: expected a trust domain without a path",
        ),
        (mtls('allowed_ids = ["x"]'), "5: listener[0].allowed_ids[0]: a SPIFFE ID begins with"),
        (mtls("allowed_ids = [3]"), "5: listener[0].allowed_ids[0]: expected a SPIFFE ID in"),
        (mtls("connections = 0"), "5: listener[0].connections: expected greater than or equal"),
        (mtls('name = "a b"'), "5: listener[0].name: "),
    ],
)
def test_a_mistake_says_its_place_and_what_was_expected(text: str, said: str) -> None:
    (line,) = mistakes(text)
    assert line.startswith(f"governd.toml:{said}")


def test_a_socket_that_is_no_path_is_one_mistake() -> None:
    assert mistakes(mtls(place="socket = 3")) == [
        "governd.toml:4: listener[0].socket: expected a path in quotes"
    ]


def test_ids_of_a_domain_that_is_not_taken_are_a_mistake() -> None:
    elsewhere = 'allowed_ids = ["spiffe://example.org/a", "spiffe://partner.org/b"]'
    said = "listener[0].allowed_ids[1]: expected an ID of one of the trust domains example.org"
    assert mistakes(mtls(elsewhere)) == [f"governd.toml:5: {said}"]
    both = 'trust_domains = ["partner.org", "example.org"]'
    assert len(only(mtls(elsewhere, both)).allowed_ids) == 2


def test_listeners_of_all_kinds_share_neither_name_nor_socket() -> None:
    both = STATIC + mtls('name = "a"', place='socket = "a.sock"')
    assert mistakes(both) == [
        "governd.toml:7: listener[1].socket: expected a path of its own, listener[0] has it",
        'governd.toml:8: listener[1].name: expected a name of its own, listener[0] is "a" too',
    ]


def test_listeners_share_no_address_with_each_other_or_the_metrics() -> None:
    first = mtls(place='address = "127.0.0.1:9464"')
    second = mtls('name = "b"', place='address = "127.0.0.1:8443"')
    third = mtls('name = "c"', place='address = "127.0.0.1:8443"')
    assert mistakes(first + second + third) == [
        "governd.toml:4: listener[0].address: expected one of its own, metrics has it",
        "governd.toml:11: listener[2].address: expected one of its own, listener[1] has it",
    ]
    any_port = 'address = "127.0.0.1:0"'
    assert read(mtls(place=any_port) + mtls('name = "b"', place=any_port)).listener


def test_a_listener_made_in_code_keeps_the_rules() -> None:
    with pytest.raises(ValidationError, match="here or for socket"):
        MtlsListener(attestation="mtls")
    with pytest.raises(ValidationError, match="here or for socket"):
        MtlsListener(attestation="mtls", socket=Path("/a"), address="a:1")

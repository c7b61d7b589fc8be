"""Which addresses an issuer may have: public ones, and those of networks that are listed."""

import ipaddress

import pytest

from governd.adapters.guarded_http import is_allowed, unwrapped

pytestmark = pytest.mark.req("gi-3", part=True)

PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
    *("::", "::1", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "::ffff:10.1.2.3"),
    *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001::1", "::7f00:1"),
    *("fec0::1", "192.88.99.1", "3fff::1", "64:ff9b:1::1", "5f00::1", "::ffff:192.88.99.1"),
]


def allowed(address: str, *networks: str) -> bool:
    return is_allowed(ipaddress.ip_address(address), list(map(ipaddress.ip_network, networks)))


@pytest.mark.parametrize("address", PRIVATE)
def test_attack_an_address_that_is_not_public(address: str) -> None:
    assert not allowed(address)
    assert not allowed(address, "203.0.113.0/24")


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1", "::ffff:1.1.1.1"])
def test_public_addresses_are_all_right(address: str) -> None:
    assert allowed(address)


def test_networks_that_are_listed_are_all_right() -> None:
    assert allowed("10.1.2.3", "192.168.0.0/16", "10.0.0.0/8")
    assert allowed("::ffff:10.1.2.3", "10.0.0.0/8")
    assert allowed("fd00::5", "fd00::/8")


@pytest.mark.parametrize(
    ("address", "real"),
    [
        ("64:ff9b::10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2002:0a00:0001::5", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("2606:4700::1", "2606:4700::1"),
    ],
)
def test_an_address_within_another_is_what_counts(address: str, real: str) -> None:
    assert str(unwrapped(ipaddress.ip_address(address))) == real

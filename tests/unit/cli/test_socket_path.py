"""Addresses of Unix sockets, in the forms of gRPC's naming."""

import os
from pathlib import Path

import pytest

from governd.cli import socket_path


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/run/governd/admin.sock", "/run/governd/admin.sock"),
        ("unix:/run/admin.sock", "/run/admin.sock"),
        ("unix:///run/admin.sock", "/run/admin.sock"),
        ("/with space/a%41.sock", "/with space/a%41.sock"),
    ],
)
def test_a_path_and_both_uri_forms_are_read(address: str, path: str) -> None:
    assert socket_path.parse(address) == Path(path)


def test_a_relative_path_counts_from_here() -> None:
    assert socket_path.parse("admin.sock") == Path.cwd() / "admin.sock"


@pytest.mark.parametrize(
    "address", ["", "unix:", "unix://host/admin.sock", "unix://", "http://host/", "a\0b"]
)
def test_what_names_no_unix_socket_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"^socket: "):
        socket_path.parse(address)


def test_a_short_path_is_reached_as_it_is() -> None:
    with socket_path.reachable(Path("/run/admin.sock")) as name:
        assert name == "/run/admin.sock"


def test_a_path_beyond_sockaddr_un_is_reached_through_a_descriptor(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["long" * 10] * 4)
    deep.mkdir(parents=True)
    (deep / "admin.sock").touch()
    with socket_path.reachable(deep / "admin.sock") as name:
        assert len(os.fsencode(name)) < 108
        assert Path(name).samefile(deep / "admin.sock")
    assert not Path(name).exists()

"""Where a listener may put its socket, and where it must not."""

import os
import secrets
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from governd.endpoints import sockets
from governd.errors import ListenerError
from tests.parts import as_root

NOBODY = 65534


class Server:
    """Binds as gRPC does: a stream socket, listening at once."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.umask_at_bind = -1

    def listen(self, address: str) -> None:
        self.umask_at_bind = os.umask(0o777)
        os.umask(self.umask_at_bind)
        self.socket.bind(address.removeprefix("unix:"))
        self.socket.listen()

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def never_bound(address: str) -> None:
    """For paths that are refused before anything is bound."""
    raise AssertionError(address)


def refuse(path: Path, why: str) -> None:
    """Asserts that binding is refused, names the path, and leaves nothing behind."""
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    with pytest.raises(ListenerError, match=why) as refusal:
        sockets.bind(path, 0o660, never_bound)
    assert str(path) in str(refusal.value)
    assert (sorted(path.parent.iterdir()) if path.parent.is_dir() else []) == before


def test_a_path_appears_only_when_published_and_with_its_mode(
    directory: Path, server: Server
) -> None:
    path = directory / "a.sock"
    bound = sockets.bind(path, 0o620, server.listen)
    assert not path.exists()
    assert server.umask_at_bind == 0o177
    bound.publish()
    assert stat.S_IMODE(path.stat().st_mode) == 0o620
    assert [entry.name for entry in directory.iterdir()] == ["a.sock"]
    assert bound.remove()
    assert not path.exists()


def test_the_umask_is_as_before_whether_binding_works_or_not(directory: Path) -> None:
    def fail(address: str) -> None:
        raise OSError(28, "no space left")

    before = os.umask(0o022)
    try:
        with pytest.raises(ListenerError, match="no space left"):
            sockets.bind(directory / "a.sock", 0o660, fail)
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_socket_that_was_never_published_is_removed_too(directory: Path, server: Server) -> None:
    bound = sockets.bind(directory / "a.sock", 0o660, server.listen)
    assert bound.remove()
    assert list(directory.iterdir()) == []
    with pytest.raises(RuntimeError, match="published or discarded"):
        bound.publish()


def test_what_comes_to_the_path_after_the_check_is_not_replaced(
    directory: Path, server: Server
) -> None:
    path = directory / "a.sock"
    bound = sockets.bind(path, 0o660, server.listen)
    path.mkdir()
    with pytest.raises(ListenerError, match="cannot rename onto it"):
        bound.publish()
    assert bound.remove()
    assert list(directory.iterdir()) == [path]


def test_a_path_beyond_108_bytes_works(directory: Path, server: Server) -> None:
    deep = directory / ("d" * 120)
    deep.mkdir(mode=0o755)
    path = deep / "a.sock"
    assert len(str(path)) > 108
    sockets.bind(path, 0o660, server.listen).publish()
    assert stat.S_ISSOCK(path.stat().st_mode)


def test_a_stale_socket_is_replaced(directory: Path, server: Server) -> None:
    path = directory / "a.sock"
    dead = Server()
    dead.listen(f"unix:{path}")
    dead.close()
    stale = path.stat().st_ino
    sockets.bind(path, 0o660, server.listen).publish()
    assert path.stat().st_ino != stale


def gone() -> int:
    """The id of a process that no longer exists."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def bind_at(unbound: socket.socket, path: Path) -> None:
    """Binds through a descriptor: a test's own path may be too long for a socket."""
    directory = os.open(path.parent, os.O_PATH)
    try:
        unbound.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def dead_socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as left:
        bind_at(left, path)
    return path


@pytest.mark.parametrize("maker", [gone, os.getpid], ids=["a gone process", "our own number"])
def test_what_a_killed_governd_left_behind_is_removed(
    directory: Path, server: Server, maker: Callable[[], int]
) -> None:
    dead_socket(directory / f".governd-{maker()}-0123456789abcdef")
    sockets.bind(directory / "a.sock", 0o660, server.listen).publish()
    assert [entry.name for entry in directory.iterdir()] == ["a.sock"]


def test_only_what_is_surely_left_behind_is_removed(directory: Path, server: Server) -> None:
    pid = gone()
    kept = [
        dead_socket(directory / f".governd-{os.getppid()}-0123456789abcdef"),  # may come yet
        dead_socket(directory / f".governd-{pid}-0123456789abcde"),
        dead_socket(directory / f".governd-{pid}-0123456789abcdef.sock"),
        dead_socket(directory / f"governd-{pid}-0123456789abcdef"),
        directory / f".governd-{pid}-0000000000000000",
        directory / f".governd-{pid}-1111111111111111",
    ]
    kept[-2].touch()
    kept[-1].symlink_to(kept[0])
    sockets.bind(directory / "a.sock", 0o660, server.listen).publish()
    assert sorted(directory.iterdir()) == sorted([*kept, directory / "a.sock"])


@pytest.mark.parametrize("maker", [gone, os.getpid], ids=["a gone process", "our own number"])
def test_a_random_name_that_answers_is_kept(
    directory: Path, server: Server, maker: Callable[[], int]
) -> None:
    path = directory / f".governd-{maker()}-0123456789abcdef"
    with socket.socket(socket.AF_UNIX) as live:
        bind_at(live, path)
        live.listen()
        sockets.bind(directory / "a.sock", 0o660, server.listen).publish()
        assert path.exists()


@as_root
def test_a_random_name_of_another_user_is_kept(directory: Path, server: Server) -> None:
    path = dead_socket(directory / f".governd-{gone()}-0123456789abcdef")
    os.chown(path, NOBODY, NOBODY)
    sockets.bind(directory / "a.sock", 0o660, server.listen).publish()
    assert path.exists()


def test_a_live_socket_is_refused(directory: Path) -> None:
    path = directory / "a.sock"
    live = Server()
    live.listen(f"unix:{path}")
    refuse(path, "another process answers")
    live.close()


def test_a_live_socket_whose_queue_is_full_is_refused_too(directory: Path) -> None:
    path = directory / "a.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        bind_at(busy, path)
        busy.listen(0)
        waiting.connect(str(path))
        refuse(path, "another process answers")


def test_a_path_that_is_a_symbolic_link_is_refused(directory: Path, server: Server) -> None:
    target = directory / "target.sock"
    server.listen(f"unix:{target}")
    server.close()
    path = directory / "a.sock"
    path.symlink_to(target)
    refuse(path, "is a symbolic link")
    assert path.is_symlink()


def test_a_dangling_symbolic_link_is_refused(directory: Path) -> None:
    path = directory / "a.sock"
    path.symlink_to(directory / "nothing")
    refuse(path, "is a symbolic link")


@pytest.mark.parametrize("kind", ["file", "directory", "pipe"])
def test_what_is_not_a_socket_is_never_replaced(directory: Path, kind: str) -> None:
    path = directory / "a.sock"
    make: dict[str, Callable[[], None]] = {
        "file": path.touch,
        "directory": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
    }
    make[kind]()
    refuse(path, "is not a socket")
    assert path.exists()


def test_a_datagram_socket_of_someone_is_refused(directory: Path) -> None:
    path = directory / "a.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        bind_at(other, path)
        refuse(path, "another process answers")


@as_root
def test_a_socket_that_another_user_put_there_is_refused(directory: Path) -> None:
    path = directory / "a.sock"
    foreign = Server()
    foreign.listen(f"unix:{path}")
    foreign.close()
    os.chown(path, NOBODY, NOBODY)
    refuse(path, f"owned by uid {NOBODY}")


@as_root
def test_a_directory_of_another_user_is_refused(directory: Path) -> None:
    foreign = directory / "foreign"
    foreign.mkdir(mode=0o755)
    os.chown(foreign, NOBODY, NOBODY)
    refuse(foreign / "a.sock", f"directory is owned by uid {NOBODY}")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o757])
def test_a_directory_that_others_may_write_to_is_refused(directory: Path, mode: int) -> None:
    shared = directory / "shared"
    shared.mkdir()
    shared.chmod(mode)
    refuse(shared / "a.sock", "writable by group or others")


def test_a_directory_that_is_a_symbolic_link_is_refused(directory: Path) -> None:
    (directory / "real").mkdir(mode=0o755)
    (directory / "link").symlink_to(directory / "real")
    refuse(directory / "link" / "a.sock", "symbolic link or not a directory")


def test_a_directory_that_is_not_there_is_refused(directory: Path) -> None:
    refuse(directory / "nothing" / "a.sock", "cannot open its directory")


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(ListenerError, match="absolute path"):
        sockets.bind(Path("a.sock"), 0o660, never_bound)


def test_the_directory_cannot_be_exchanged_between_check_and_bind(
    directory: Path, server: Server
) -> None:
    real, trap = directory / "real", directory / "trap"
    real.mkdir(mode=0o755)
    trap.mkdir(mode=0o777)

    def listen_after_swap(address: str) -> None:
        real.rename(directory / "moved")
        trap.rename(real)
        server.listen(address)

    sockets.bind(real / "a.sock", 0o660, listen_after_swap).publish()
    assert [entry.name for entry in (directory / "moved").iterdir()] == ["a.sock"]
    assert list(real.iterdir()) == []


def test_a_successors_socket_is_not_removed(directory: Path, server: Server) -> None:
    path = directory / "a.sock"
    bound = sockets.bind(path, 0o660, server.listen)
    bound.publish()
    successor = Server()
    temporary = directory / secrets.token_hex(4)
    successor.listen(f"unix:{temporary}")
    temporary.rename(path)
    assert not bound.remove()
    assert path.exists()
    path.unlink()
    assert not bound.remove()
    server.close()
    successor.close()


def test_nothing_is_removed_where_the_directory_is_gone(directory: Path, server: Server) -> None:
    below = directory / "below"
    below.mkdir(mode=0o755)
    bound = sockets.bind(below / "a.sock", 0o660, server.listen)
    bound.publish()
    below.rename(directory / "moved")
    assert not bound.remove()


def test_no_descriptor_leaks_whether_binding_works_or_not(directory: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    server = Server()
    bound = sockets.bind(directory / "a.sock", 0o660, server.listen)
    bound.publish()
    refuse(directory / "a.sock", "another process answers")
    bound.remove()
    server.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before

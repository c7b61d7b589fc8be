"""Options that several verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from governd.cli import fast_path, socket_path

TIMEOUT_SECONDS = 5.0
_MOST_SECONDS = 3600.0

_F = TypeVar("_F", bound=Callable[..., object])


class SocketType(click.ParamType[Path]):
    """The path of a Unix socket, as ``/path`` or ``unix:///path``."""

    name = "path"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Parses what was given, or says what was expected."""
        if isinstance(value, Path):
            return value
        try:
            return socket_path.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def socket() -> Callable[[_F], _F]:
    """``--socket``: the caller's own socket."""
    return click.option(
        "--socket",
        type=SocketType(),
        envvar=socket_path.WORKLOAD_SOCKET_VARIABLE,
        default=socket_path.WORKLOAD_SOCKET,
        show_default=True,
        show_envvar=True,
        help="The workload's own socket, a path or unix:///path.",
    )


def admin_socket() -> Callable[[_F], _F]:
    """``--admin-socket``: the operator's socket."""
    return click.option(
        "--admin-socket",
        type=SocketType(),
        envvar=socket_path.ADMIN_SOCKET_VARIABLE,
        default=socket_path.ADMIN_SOCKET,
        show_default=True,
        show_envvar=True,
        help="The operator's socket, a path or unix:///path.",
    )


def timeout(default: float = TIMEOUT_SECONDS) -> Callable[[_F], _F]:
    """``--timeout``: how long the whole question may take."""
    return click.option(
        "--timeout",
        type=click.FloatRange(0, _MOST_SECONDS, min_open=True),
        metavar="SECONDS",
        default=default,
        show_default=True,
        help="How long to wait for an answer.",
    )


def as_json() -> Callable[[_F], _F]:
    """``--json``: one JSON object instead of words."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def config() -> Callable[[_F], _F]:
    """``--config``: the configuration file."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(),
        metavar="FILE",
        envvar=fast_path.CONFIG_VARIABLE,
        show_envvar=True,
        help="The configuration, TOML. Without it: the variables GOVERND_<SECTION>__<KEY> alone.",
    )

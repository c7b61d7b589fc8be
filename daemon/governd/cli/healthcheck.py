"""``governd healthcheck``: is governd serving?

Usually ``fast_path`` has done this before click is loaded; here is its help, and what to
say to a command that is not understood.
"""

from pathlib import Path

import click

from governd.cli import health, options, socket_path


@click.command(short_help="Ask a governd whether it serves.")
@click.option(
    "--socket",
    type=options.SocketType(),
    envvar=socket_path.ADMIN_SOCKET_VARIABLE,
    default=socket_path.ADMIN_SOCKET,
    show_default=True,
    show_envvar=True,
    help="Any of its sockets, a path or unix:///path.",
)
@click.option(
    "--service",
    metavar="NAME",
    default="",
    help="A gRPC service, e.g. governd.v1.PolicyService. Default: governd as a whole.",
)
@options.timeout(health.TIMEOUT_SECONDS)
@options.as_json()
def healthcheck(socket: Path, service: str, timeout: float, *, as_json: bool) -> int:
    """Ask grpc.health.v1 on a Unix socket; cheap enough for a probe every second.

    governd as a whole serves when questions are answered from a policy. For liveness ask
    for a service that needs no policy: governd.v1.IdentityService on a workload's socket,
    governd.v1.AdminService on the admin socket.

    Exit code:
      0 serving, 1 not serving or no answer, 2 usage.

    JSON:
      socket, service, status (a status of grpc.health.v1, or UNREACHABLE), error.

    Examples:
      governd healthcheck
      governd healthcheck --socket unix:///run/governd/writer.sock --timeout 1
      governd healthcheck --service governd.v1.AdminService
    """
    return health.report(str(socket), service, timeout=timeout, as_json=as_json)

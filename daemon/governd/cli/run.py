"""``governd run``: the daemon, under a small parent that restarts it.

Usually ``fast_path`` has done this before click is loaded; here is its help, and what to
say to a command that is not understood.
"""

import click

from governd.cli import options, start


@click.command(short_help="Run the daemon.")
@options.config()
def run(config_file: str | None) -> int:
    """Run the daemon until SIGTERM or SIGINT.

    A small parent process starts the daemon and starts it again when it dies: at once the
    first time, then after 0.1 s doubling to 5 s. Callers find it on the same sockets. The
    parent forwards SIGTERM and SIGINT; the daemon lets calls that have begun finish and
    ends. When the parent is killed, the daemon drains by itself.

    Logs are JSON lines on standard error.

    Exit code:
      0 stopped when asked, 2 usage, 78 the configuration, the state directory's
      lock or a socket was refused (starting again would not help).

    Examples:
      governd run --config /etc/governd/governd.toml
      GOVERND_LOG__LEVEL=debug governd run --config governd.toml
    """
    return start.start(config_file)

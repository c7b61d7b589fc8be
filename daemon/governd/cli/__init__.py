"""The command line: one file for each verb.

Everything but ``run``, ``validate`` and ``policy`` is a client of governd's sockets.

Nothing is imported here before it is known to be needed: a health probe runs every few
seconds on every node, and the parent that ``run`` leaves behind stays for the daemon's
whole life. Both take the fast path; everything else goes to click.
"""

import sys


def main() -> None:
    """Entry point of ``governd``."""
    from governd.cli import fast_path

    try:
        code = fast_path.attempt(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    if code is None:
        from governd.cli.root import governd

        governd.main(prog_name="governd")
    sys.exit(code)

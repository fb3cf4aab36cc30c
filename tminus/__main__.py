"""`tminus` and `python -m tminus`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Exit codes: 0 holds, 1 does not hold, 2 usage or unreadable, 3 could not look."""
    from tminus.cli import cli
    from tminus.outlet import guard_output

    guard_output()
    sys.exit(cli(prog_name="tminus"))


if __name__ == "__main__":
    main()

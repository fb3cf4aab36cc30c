"""`tminus` and `python -m tminus`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def main() -> None:
    """Run the command line. Exit codes: 0 holds, 1 does not hold, 2 usage or unreadable, 3 could not look."""
    _open_streams()
    from tminus.cli import cli
    from tminus.outlet import guard_output

    guard_output()
    sys.exit(cli(prog_name="tminus"))


def _open_streams() -> None:
    """Open what the caller closed of the standard streams on nothing. The first file or socket that is opened would
    get its number, and what is printed, by us or by a library, would go there: into a record, say."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()

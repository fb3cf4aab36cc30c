"""Where a program will run: the folder, the commit that lies in it, the machine and the user. For plans."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

from checks.contract import Context

_PATIENCE = 5.0  # seconds that git has to say what it knows


def where(ctx: Context, folder: Path) -> tuple[str, ...]:
    """FOLDER with its commit, and on which machine as whom: who says go knows what code will run, and where."""
    return (f"in {_named(ctx, folder)}, {commit_of(ctx, folder)}", f"on {socket.gethostname()} as {_user()}")


def commit_of(ctx: Context, folder: Path) -> str:
    """The commit of FOLDER in words, and whether files that git knows were changed since.

    Not knowing is said too, never passed over in silence: an older commit is the commonest of wrong deploys.
    """
    try:
        head = ctx.run_sync(["git", "log", "-1", "--format=%h %s"], cwd=folder, timeout=_PATIENCE)
        if head.exit_code != 0:
            return "which is in no git repository"
        # Its record lies in the repository too and grows: only that something is changed is told, not how much.
        changed = ctx.run_sync(
            ["git", "status", "--porcelain", "--untracked-files=no"], cwd=folder, timeout=_PATIENCE
        )
    except (OSError, TimeoutError):
        return "of which git cannot say the commit"
    dirty = ", with changes that are not committed" if changed.exit_code or changed.stdout.strip() else ""
    return f"at commit {head.stdout.strip()}{dirty}"


def _named(ctx: Context, folder: Path) -> str:
    # Within the project by its place there: the plan goes into a record that is read on other machines.
    try:
        inside = folder.resolve().relative_to(ctx.project.resolve())
    except ValueError:
        return str(folder)
    return f"the folder {inside}" if inside.parts else "the checklist's folder"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return "an unnamed user"

"""Trouble after a version was let in: the app answers 500 to a share of what it is asked, while the file is there."""

import json

from rehearsal.control import Layout, database_in_use
from rehearsal.processes import write_private
from rehearsal.stage import Stage, StageError


def begin(stage: Stage, share: float, database: str | None = None) -> str:
    """Let SHARE of the requests go wrong, on DATABASE alone (the one now in use): going back to the other is a way
    out. Raises StageError."""
    if not 0 < share <= 1:
        raise StageError("the share is over 0, and 1 at the most")
    layout = Layout(stage.folder)
    where = database or database_in_use(layout)
    write_private(layout.trouble, json.dumps({"errors": share, "database": where}))
    return f"{share:.0%} of the requests go wrong while the app is on {where}"


def repair(stage: Stage) -> str:
    Layout(stage.folder).trouble.unlink(missing_ok=True)
    return "nothing goes wrong by intent"

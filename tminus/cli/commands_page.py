"""docs/commands.md from the commands themselves. `python -m tminus.cli.commands_page > docs/commands.md`; a test
keeps the two alike."""

from __future__ import annotations

import sys

import click

from tminus.cli import COMMANDS, cli

SECTIONS = {
    "Where it stands": ("run", "status", "watch", "attach"),
    "An item": ("do", "cancel", "confirm", "fail", "skip", "waive", "na", "undo"),
    "The run": ("go", "hold", "release", "roll-back", "decide", "note", "correct", "stop"),
    "Two people": ("drive", "hand-over", "refuse", "challenge", "answer", "agree", "sign-off"),
    "Before the day": ("init", "validate", "checks", "check", "code", "db", "rehearse", "doctor"),
    "Afterwards": ("record", "report", "replay", "due"),
}

HEAD = """# Commands

For a phone, a screen reader, a script, or a terminal that is broken: whatever the cockpit can do, a command can.
It asks the same engine, which enforces the same rules and records the same; every key of the cockpit names its
command in [keys.md](keys.md). `tminus COMMAND --help` says more of each.

- **Words.** Plain lines on stdout; questions, progress and reasons on stderr. Nothing is drawn, nothing moves.
- **Ask first.** What changes something, what is confirmed, passed, agreed to or signed is shown first; then you are
  asked, and anything but `y` is no. Without a terminal the option that says "I have seen it" is named instead: the
  digest of what was printed (`--seen`, `--go`, `--plan`), or `--yes`.
- **JSON.** `--json` prints one object, whatever happens: `ok`, what is known (`seq` is the event in the record), and
  `refused` or `error`, which say why. Nothing is asked then.
- **Exit codes.** 0 it holds or was recorded. 1 it does not, was refused, or waits for a second person. 2 usage.
  3 could not look, or there is no engine. 130 on Ctrl+C: the run goes on.
- **Which run, and who.** `-C FILE` names the checklist (or `TMINUS_CHECKLIST`), `--as NAME` you (or `TMINUS_NAME`).
  The engine knows your login in any case.

## With a phone

`tminus status --watch` prints where the run stands, and then a line, with its time, for each thing that changes: the
verdict, what stands against it, items, gates, holds, people; a metric when it is bad, or has kept another status for
10 s. It never draws a line again, fits 40 columns, says when the engine has gone and when it is back, and ends with
Ctrl+C. As long as it is open you are here, as with a cockpit: a driver who flies by commands keeps it open beside
them. What came and went in the same moment is in the record (`tminus replay RECORD --print`). With `--json` every
line is an object (`utc`, `kind`, `id`, `words`).

```
22:04:10 item verify-row-counts: pass, confirmed by Anna, settled
22:04:31 metric p95: bad, was ok: 912 ms
22:05:02 gate error-rate: tripped, was breaching: 12.4% > 10%
22:05:02 gate error-rate: waits for a decision: roll-back, continue or extend
22:05:40 control: Bob asks for it: your shift ends
```
"""


def commands_page() -> str:
    """The page."""
    keys = _keys()
    out = [HEAD]
    for title, names in SECTIONS.items():
        out += [f"## {title}", ""]
        for name in names:
            key = f" (key {keys[name]})" if name in keys else ""
            out += [f"- `{usage(name)}`{key}: {COMMANDS[name][1]}", f"  `{example(name)}`"]
        out.append("")
    return "\n".join(out).rstrip() + "\n"


def command_of(name: str) -> click.Command:
    """The command called NAME."""
    command = cli.get_command(click.Context(cli, info_name="tminus"), name)
    assert command is not None
    return command


def usage(name: str) -> str:
    """How command NAME is typed, without the options that may be left out."""
    command = command_of(name)
    context = click.Context(command, info_name=f"tminus {name}")
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    needed = [
        f"{option.opts[0]} {option.make_metavar(context)}"
        for option in command.params
        if isinstance(option, click.Option) and option.required
    ]
    return " ".join((f"tminus {name}", *pieces, *needed))


def example(name: str) -> str:
    """The example in the help of command NAME."""
    line = (command_of(name).epilog or "").partition("\n")[0]
    return line.removeprefix("Example: ")


def _keys() -> dict[str, str]:
    from tui.actions import ACTIONS

    found: dict[str, list[str]] = {}
    for action in ACTIONS:
        if action.danger != "none":
            found.setdefault(action.twin.split()[1], []).append(f"`{action.shown_key}`")
    return {name: ", ".join(keys) for name, keys in found.items()}


if __name__ == "__main__":
    sys.stdout.write(commands_page())

"""The command line. A command's module is imported when the command is run, so that `--help` costs nothing."""

from __future__ import annotations

import importlib

import click

from tminus.version import __version__

# name → (module, what it is for). The order is the order of `--help`.
COMMANDS = {
    "init": ("tminus.cli.init", "Write the first checklist of a project, from what its folder says."),
    "rehearse": ("tminus.cli.rehearse", "Practise the whole cutover on a stage of its own."),
    "run": ("tminus.cli.run", "Open the cockpit; start the engine if none is there."),
    "watch": ("tminus.cli.watch", "Open a read-only cockpit on the same run."),
    "status": ("tminus.cli.status", "Print where the run stands; --watch goes on with what changes."),
    "due": ("tminus.cli.due", "List what recurs, and whether it is due."),
    "check": ("tminus.cli.check", "Run read checks without a cockpit, for CI and cron."),
    "do": ("tminus.cli.do", "Run the check of one item in the run."),
    "cancel": ("tminus.cli.run_acts:cancel", "Stop the check of an item that is running."),
    "confirm": ("tminus.cli.marks:confirm", "Confirm an item whose evidence you have seen."),
    "fail": ("tminus.cli.marks:fail", "Mark an item as failed, with a reason."),
    "skip": ("tminus.cli.marks:skip", "Skip an item that is not critical, with a reason."),
    "waive": ("tminus.cli.marks:waive", "Let an item pass in your name, with a reason."),
    "na": ("tminus.cli.marks:na", "Say that an item does not apply, with a reason."),
    "undo": ("tminus.cli.marks:undo", "Open an item again."),
    "hold": ("tminus.cli.run_acts:hold", "Stop the run, with a reason. Anybody may."),
    "release": ("tminus.cli.run_acts:release", "Release a hold."),
    "go": ("tminus.cli.pause:go", "Read back the current phase, and pass its pause point."),
    "decide": ("tminus.cli.pause:decide", "Answer a tripped gate: roll-back, continue or extend."),
    "roll-back": ("tminus.cli.pause:roll_back", "See the evidence of a tripped gate, and decide to roll back."),
    "drive": ("tminus.cli.crew:drive", "Take control, ask for it, or let go of it."),
    "hand-over": ("tminus.cli.crew:hand_over", "Give control to who asked for it."),
    "refuse": ("tminus.cli.crew:refuse", "Keep control though somebody asked for it."),
    "challenge": ("tminus.cli.crew:challenge", "Pin a question to an item: it must be answered. Anybody may."),
    "answer": ("tminus.cli.crew:answer_challenge", "Answer a challenge."),
    "agree": ("tminus.cli.crew:agree", "Agree, as the second person, to cross the point of no return."),
    "sign-off": ("tminus.cli.sign_off", "Sign for a role, below all that was not simply done."),
    "note": ("tminus.cli.run_acts:note", "Leave a note in the record."),
    "correct": ("tminus.cli.run_acts:correct", "Add words to the record about an earlier event."),
    "attach": ("tminus.cli.attach", "Say how a second person looks on: watch, or tmux attach -r."),
    "stop": ("tminus.cli.run_acts:stop", "End the engine; the record is enough to go on later."),
    "validate": ("tminus.cli.validate", "Name every mistake in a checklist."),
    "checks": ("tminus.cli.checks", "List the checks, what they take, and an example of each."),
    "code": ("tminus.cli.code", "Name what in a project's code will not work on PostgreSQL, by file and line."),
    "db": ("tminus.cli.db", "Move the data by itself: audit, backup, copy, compare, salvage."),
    "record": ("tminus.cli.record", "Verify the record of a run, commit it, compare it with another."),
    "report": ("tminus.cli.report", "Write a run of the past as a page: Markdown or HTML."),
    "replay": ("tminus.cli.replay", "Play a run of the past back in the cockpit, or print it."),
    "doctor": ("tminus.cli.doctor", "Say what this terminal and this machine can."),
}


_WORDS = "tminus.words"  # what was typed, where click keeps things for a command


class _Lazy(click.Group):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. What ends it before it could answer a machine itself (a word that is wrong, a file that
        cannot be read) is told to one as it wants it: `--json` prints one object, whatever happens."""
        words = ctx.meta[_WORDS]
        if "--json" not in words[: words.index("--") if "--" in words else None]:
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            from tminus.cli.common import told_to_a_machine

            click.echo(told_to_a_machine(error))
            ctx.exit(error.exit_code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute or "command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 it holds, 1 it does not, 2 usage or an unreadable file, 3 could not look. "
    "Try `tminus rehearse` first: it shows the main job on this machine and touches nothing else.",
)
@click.version_option(__version__, prog_name="tminus")
def cli() -> None:
    """A terminal cockpit for a production cutover: a checklist that looks at the real system, live gates that say
    go or no-go, and a record of who decided what."""

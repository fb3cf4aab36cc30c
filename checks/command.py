"""Any program as a check: by exit code and output, or by the protocol of the Monitoring Plugins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from checks.contract import Completed, Context, Danger, Plan, check
from checks.perfdata import parse_plugin_output
from checks.processes import shown_argv
from checks.whereabouts import where
from state.durations import format_duration
from state.verdicts import Outcome, Verdict

_TAIL = 3  # last lines that go into the outcome


def _plan_run(
    ctx: Context,
    *,
    argv: list[str] | str,
    shell: bool,
    expect_exit: int,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    danger: Danger,
    target: str,
    **_: object,
) -> Plan:
    folder = cwd or ctx.project
    lines = [f"{'sh -c: ' if shell else ''}{shown_argv(argv)}", *where(ctx, folder)]
    if env:
        lines.append(f"with {', '.join(sorted(env))} in its environment")
    lines.append(f"must end with exit code {expect_exit}")
    # The folder's name alone: somebody may have to type it.
    return Plan(tuple(lines), danger, target or folder.resolve().name)


@check("command.run", effect="change", timeout="10m", plan=_plan_run)
def run(
    ctx: Context,
    *,
    argv: list[str] | str,
    shell: bool = False,
    expect_exit: int = 0,
    expect_output: re.Pattern[str] | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    danger: Danger = "one-way",
    target: str = "",
) -> Outcome:
    """Runs a program that may change something; its exit code and output must be as expected.

    ARGV is a list, or with SHELL one text for the shell. ENV is added to the environment (the way for a secret).
    An arbitrary program may do anything, so it is taken as one-way unless its author says DANGER = "reversible" or
    "safe". TARGET is the name of what it changes (a service, a host), which is typed before a one-way go; the
    folder's name unless said.
    """
    return _ran(ctx, argv, shell=shell, expect_exit=expect_exit, expect_output=expect_output, env=env, cwd=cwd)


@check("command.probe", effect="read", timeout="60s")
def probe(
    ctx: Context,
    *,
    argv: list[str] | str,
    shell: bool = False,
    expect_exit: int = 0,
    expect_output: re.Pattern[str] | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> Outcome:
    """As command.run, for a program whose author says that it only looks: it may run by itself, and again."""
    return _ran(ctx, argv, shell=shell, expect_exit=expect_exit, expect_output=expect_output, env=env, cwd=cwd)


@check("command.plugin", effect="read", timeout="60s")
def plugin(ctx: Context, *, argv: list[str], env: dict[str, str] | None = None, cwd: Path | None = None) -> Outcome:
    """Runs a Monitoring Plugin (Nagios, Icinga): exit 0/1/2/3 is pass/warn/fail/unknown, perfdata is evidence.

    Protocol: Monitoring Plugins Development Guidelines, "Plugin Output" and "Performance data".
    """
    done = _started(ctx, argv, False, env, cwd)
    if isinstance(done, Outcome):
        return done
    said = parse_plugin_output(done.stdout)
    for line in said.long_text:
        ctx.log(line)
    evidence: dict[str, object] = {"exit_code": done.exit_code, **said.perfdata}
    verdicts = {0: Verdict.PASS, 1: Verdict.WARN, 2: Verdict.FAIL, 3: Verdict.UNKNOWN}
    verdict = verdicts.get(done.exit_code, Verdict.ERROR)
    text = said.text or done.stderr.strip()
    if verdict is Verdict.ERROR:
        hint = "126 and 127 mean that it could not be run; read its output"
        return Outcome.error(f"exit code {done.exit_code}: {text}", hint=hint, evidence=evidence)
    if not text:
        return Outcome.unknown("the plugin said nothing", hint="run it by hand", evidence=evidence)
    hint = "" if verdict is Verdict.PASS else f"run it by hand: {shown_argv(argv)}"
    return Outcome.of(verdict, text, expected="exit code 0", evidence=evidence, hint=hint)


def _ran(
    ctx: Context,
    argv: Sequence[str] | str,
    *,
    shell: bool,
    expect_exit: int,
    expect_output: re.Pattern[str] | None,
    env: Mapping[str, str] | None,
    cwd: Path | None,
) -> Outcome:
    done = _started(ctx, argv, shell, env, cwd)
    if isinstance(done, Outcome):
        return done
    output = done.stdout + done.stderr
    last = " / ".join([line.strip() for line in output.splitlines() if line.strip()][-_TAIL:])
    evidence = {
        "command": shown_argv(argv),
        "exit_code": done.exit_code,
        "seconds": round(done.seconds, 3),
        "last_lines": last,
    }
    expected = f"exit code {expect_exit}"
    if expect_output is not None:
        expected += f", output matches {expect_output.pattern}"
    actual = f"exit code {done.exit_code} after {format_duration(done.seconds)}"
    if done.exit_code != expect_exit:
        actual = f"{actual}: {last}" if last else actual
        hint = "read the output in the log, mend the cause, run it again"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    if expect_output is not None and not expect_output.search(output):
        hint = "the program ended well, but did not say what was expected: read the log"
        return Outcome.failed(
            f"{actual}, but no match in its output", expected=expected, evidence=evidence, hint=hint
        )
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _started(
    ctx: Context,
    argv: Sequence[str] | str,
    shell: bool,
    env: Mapping[str, str] | None,
    cwd: Path | None,
) -> Completed | Outcome:
    """The program at its end, or why it could not be started."""
    if isinstance(argv, str) != shell:
        hint = 'write argv = ["prog", "arg"], or one text together with shell = true'
        return Outcome.error("a text needs shell = true, a list must not have it", hint=hint)
    if not argv:
        return Outcome.error("argv is empty", hint="name the program to run")
    if cwd is not None and not cwd.is_dir():
        return Outcome.error(f"no folder {cwd}", hint="cwd is relative to the checklist")
    try:
        return ctx.run_sync(argv, cwd=cwd, env=env, shell=shell)
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise
        what = f"cannot run {shown_argv(argv).split(' ', 1)[0]}: {error.strerror or error}"
        return Outcome.error(what, hint="is it installed, and in PATH?")

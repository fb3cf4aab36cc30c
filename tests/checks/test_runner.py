"""Whatever a check does, an Outcome comes back in time, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.border import LINE_CHARS, LogGate, safe, safe_outcome
from checks.runner import run_check, run_many
from state.redact import Redactor
from state.verdicts import Outcome, Verdict

OURS = """
from __future__ import annotations
import asyncio, os, sys, threading, time
from checks import Context, Outcome, Plan, check

@check("ours.fine")
def fine(ctx: Context, *, number: int = 1) -> Outcome:
    ctx.log("looking")
    ctx.progress(1, 2, "rows", "users")
    return Outcome.passed(f"{number} seen")

@check("ours.async_fine")
async def async_fine(ctx: Context) -> Outcome:
    await asyncio.sleep(0)
    return Outcome.passed("seen")

@check("ours.crash")
def crash(ctx: Context) -> Outcome:
    raise RuntimeError("the cause\\nmore of it")

@check("ours.exit")
def leave(ctx: Context) -> Outcome:
    sys.exit(0)

@check("ours.truth")
def truth(ctx: Context) -> Outcome:
    return True

@check("ours.hang", timeout="200ms")
def hang(ctx: Context) -> Outcome:
    threading.Event().wait()

@check("ours.block", timeout="200ms")
async def block(ctx: Context) -> Outcome:
    threading.Event().wait()

@check("ours.wait")
async def wait(ctx: Context) -> Outcome:
    ctx.log("waiting")
    await asyncio.sleep(3600)

@check("ours.obedient")
def obedient(ctx: Context) -> Outcome:
    ctx.log("waiting")
    ctx.cancelled.wait(60)
    return Outcome.passed("half of it looked at")

@check("ours.spawn")
async def spawn(ctx: Context) -> Outcome:
    child = "import subprocess as s, time; print(s.Popen(['sleep', '3600']).pid, flush=True); time.sleep(3600)"
    await ctx.run([sys.executable, "-c", child])

@check("ours.leave_behind")
def leave_behind(ctx: Context) -> Outcome:
    done = ctx.run_sync("sleep 3600 >/dev/null 2>&1 & echo $!", shell=True)
    return Outcome.passed(done.stdout.strip())

@check("ours.says")
def says(ctx: Context, *, text: str) -> Outcome:
    ctx.log(text)
    return Outcome.passed(text, expected=text, evidence={"seen": text, text: 1})

@check("ours.shouts")
def shouts(ctx: Context) -> Outcome:
    for n in range(5000):
        ctx.log(f"line {n} " + "x" * 2000)
    return Outcome.passed("shouted")

@check("ours.heavy", process=True)
def heavy(ctx: Context, *, secret: str = "") -> Outcome:
    print("printed, not said")
    ctx.log("from the process")
    ctx.progress(3, 4, "pages")
    with open("/proc/self/cmdline") as argv:
        assert secret not in argv.read() or not secret
    return Outcome.passed(f"{os.getpid()} {ctx.evidence['before'].actual if ctx.evidence else ''} {secret}")

@check("ours.heavy_dies", process=True)
def heavy_dies(ctx: Context) -> Outcome:
    os._exit(9)

@check("ours.heavy_crash", process=True)
def heavy_crash(ctx: Context) -> Outcome:
    raise ValueError("in the process")

@check("ours.heavy_hang", process=True, timeout="1500ms")
def heavy_hang(ctx: Context) -> Outcome:
    ctx.log(str(os.getpid()))
    while True:
        pass

@check("ours.heavy_wait", process=True)
def heavy_wait(ctx: Context) -> Outcome:
    ctx.log(str(os.getpid()))
    ctx.run_sync("echo $$; sleep 3600", shell=True)

def _plan(ctx: Context, *, what: str) -> Plan:
    return Plan((f"DROP TABLE {what}",), "one-way", what)

@check("ours.change", effect="change", plan=_plan)
def change(ctx: Context, *, what: str) -> Outcome:
    (ctx.project / "changed").touch()
    return Outcome.passed("changed")
"""


@pytest.fixture(autouse=True)
def ours(look):
    look.plugin(OURS)
    assert look.registry.problems == ()


def alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


async def test_a_check_answers_logs_and_reports_progress(look):
    outcome = await look("ours.fine", {"number": 7})
    assert (outcome.verdict, outcome.actual) == (Verdict.PASS, "7 seen")
    assert look.lines == ["looking"]
    assert [(s.done, s.total, s.unit, s.what) for s in look.steps] == [(1, 2, "rows", "users")]


async def test_an_async_check_answers(look):
    assert (await look("ours.async_fine")).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("check", "cause"),
    [
        ("ours.crash", "crashed: RuntimeError: the cause"),
        ("ours.heavy_crash", "crashed: ValueError: in the process"),
        ("ours.exit", "crashed: SystemExit: 0"),
        ("ours.truth", "the check returned bool, not an Outcome"),
        ("ours.heavy_dies", "its process ended without an answer (exit code 9)"),
    ],
)
async def test_a_check_that_breaks_is_an_error_with_its_cause_in_one_line(look, check, cause):
    outcome = await look(check)
    assert (outcome.verdict, outcome.actual) == (Verdict.ERROR, cause)
    assert outcome.hint
    assert not any("Traceback" in line for line in look.lines)


async def test_the_traceback_of_a_crash_goes_to_the_log_without_secrets(look, caplog):
    look.plugin(
        "from checks import Context, check\n"
        '@check("more.leak")\ndef leak(ctx: Context, *, url: str): raise RuntimeError(url)\n',
        "more.py",
    )
    with caplog.at_level(logging.ERROR, "checks"):
        outcome = await look(
            "more.leak", {"url": "${db}"}, targets={"db": "${env:DB}"}, environ={"DB": "postgresql://a:canary77@h/d"}
        )
    assert "Traceback" in caplog.text
    assert "RuntimeError" in outcome.actual
    assert "canary77" not in caplog.text + outcome.actual


@pytest.mark.parametrize("check", ["ours.hang", "ours.block"])
async def test_a_hung_check_is_an_error_and_delays_nobody(look, check):
    hung = [asyncio.create_task(look(check, item=f"h{n}", grace=0.3)) for n in range(20)]
    await asyncio.sleep(0)
    started = time.monotonic()
    assert (await look("ours.fine")).verdict is Verdict.PASS
    assert time.monotonic() - started < 0.4
    for outcome in await asyncio.gather(*hung):
        assert outcome.verdict is Verdict.ERROR
        assert "no answer within 0.2s" in outcome.actual
        assert "left behind" in outcome.actual


async def test_the_items_own_timeout_goes_before_the_checks(look):
    outcome = await look("ours.wait", timeout="100ms")
    assert outcome.verdict is Verdict.ERROR
    assert "no answer within 0.1s" in outcome.actual


@pytest.mark.parametrize("check", ["ours.wait", "ours.obedient", "ours.heavy_wait"])
async def test_a_cancelled_check_is_an_error_even_if_it_answers_late(look, until, check):
    cancel = asyncio.Event()
    task = asyncio.create_task(look(check, cancel=cancel))
    await until(lambda: bool(look.lines))
    cancel.set()
    outcome = await task
    assert outcome.verdict is Verdict.ERROR
    assert outcome.actual.startswith("cancelled")


async def test_a_cancelled_task_ends_what_the_check_started(look, until):
    task = asyncio.create_task(look("ours.spawn"))
    await until(lambda: bool(look.lines))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not alive(int(look.lines[0])))


async def test_grandchildren_end_at_the_deadline(look, until):
    outcome = await look("ours.spawn", timeout="1500ms")
    assert outcome.verdict is Verdict.ERROR
    assert look.lines, "the grandchild was started"
    await until(lambda: not alive(int(look.lines[0])))


async def test_what_a_program_leaves_behind_ends_with_it(look, until):
    outcome = await look("ours.leave_behind")
    await until(lambda: not alive(int(outcome.actual)))


async def test_a_heavy_check_runs_in_another_process_and_what_it_prints_is_a_log_line(look):
    outcome = await look("ours.heavy", evidence={"before": Outcome.passed("earlier")})
    pid, earlier = outcome.actual.split()
    assert int(pid) != os.getpid()
    assert earlier == "earlier"
    assert "from the process" in look.lines
    assert "printed, not said" in look.lines
    assert [s.done for s in look.steps] == [3]


async def test_a_heavy_check_that_hangs_is_killed(look, until):
    outcome = await look("ours.heavy_hang", grace=0.5)
    assert outcome.verdict is Verdict.ERROR
    await until(lambda: not alive(int(look.lines[0])))


async def test_a_cancelled_heavy_check_takes_its_programs_with_it(look, until):
    cancel = asyncio.Event()
    task = asyncio.create_task(look("ours.heavy_wait", cancel=cancel))
    await until(lambda: len(look.lines) == 2)
    cancel.set()
    await task
    await until(lambda: not any(alive(int(pid)) for pid in look.lines))


async def test_a_secret_leaves_neither_in_the_outcome_nor_in_a_log_line(look):
    secret = "postgresql://app:canary-4711@db.example/app"
    targets, environ = {"db": "${env:DB}"}, {"DB": secret}
    for check in ("ours.says", "ours.heavy"):
        key = "text" if check == "ours.says" else "secret"
        outcome = await look(check, {key: "at ${db}"}, targets=targets, environ=environ)
        assert outcome.verdict is Verdict.PASS, outcome
        assert "canary" not in repr(outcome) + repr(look.lines)


async def test_a_secret_that_a_cut_halves_does_not_leave_as_a_half(look):
    text = "x" * 575 + "sesame-open-canary-4711" + "y" * 50
    outcome = await look("ours.says", {"text": text}, redact=Redactor.knowing(["sesame-open-canary-4711"]))
    assert "sesa" not in outcome.actual


async def test_escape_sequences_are_taken_out(look):
    outcome = await look("ours.says", {"text": "\x1b[31mred\x1b]0;title\x07\u202e\x00"})
    assert (outcome.actual, outcome.expected, outcome.evidence) == ("red", "red", {"seen": "red", "red": 1})
    assert look.lines == ["red"]


async def test_a_flood_of_lines_is_bounded_and_counted(look):
    await look("ours.shouts")
    assert len(look.lines) < 400
    assert max(map(len, look.lines)) <= LINE_CHARS + 20
    told = sum(int(line.split()[1]) for line in look.lines if line.startswith("…"))
    assert told + sum(line.startswith("line") for line in look.lines) == 5000


async def test_a_missing_target_names_its_variable(look):
    outcome = await look("ours.says", {"text": "${db}"}, targets={"db": "${env:DATABASE_URL}"})
    assert outcome.verdict is Verdict.UNKNOWN
    assert "DATABASE_URL is not set" in outcome.actual
    assert "DATABASE_URL" in outcome.hint


async def test_an_unknown_check_and_a_wrong_parameter_are_errors(look):
    outcome = await look("ours.fnie")
    assert (outcome.verdict, outcome.hint) == (Verdict.ERROR, "did you mean 'ours.fine'?")
    outcome = await look("ours.fine", {"number": "many"})
    assert outcome.verdict is Verdict.ERROR
    assert "a whole number" in outcome.actual


async def test_a_change_runs_on_a_go_only(look):
    outcome = await look("ours.change", {"what": "users"}, go=False)
    assert outcome.verdict is Verdict.ERROR
    assert not (look.project / "changed").exists()
    plan = await look.plan("ours.change", {"what": "users"}, go=False)
    assert (plan.lines, plan.danger, plan.target) == (("DROP TABLE users",), "one-way", "users")
    assert not (look.project / "changed").exists()
    assert (await look("ours.change", {"what": "users"})).verdict is Verdict.PASS


async def test_a_plan_holds_no_secret(look):
    plan = await look.plan("ours.change", {"what": "${t}"}, targets={"t": "${env:T}"}, environ={"T": "canary-canary"})
    assert "canary" not in repr(plan)


async def test_many_run_side_by_side_but_no_more_than_asked(look):
    running, peak = 0, 0

    def seen(delta):
        nonlocal running, peak
        running += delta
        peak = max(peak, running)

    calls = [look.call("ours.wait", item=f"i{n}", timeout="200ms") for n in range(6)]
    calls = [c.__class__(**{f: getattr(c, f) for f in c.__slots__} | {"on_log": lambda _: seen(1)}) for c in calls]
    outcomes = await run_many(look.registry, calls, at_once=3, on_outcome=lambda c, o: seen(-1))
    assert sorted(outcomes) == [f"i{n}" for n in range(6)]
    assert peak == 3


async def test_a_check_whose_task_is_gone_says_nothing_more(look):
    call = look.call("ours.hang", grace=0.05)
    await run_check(look.registry, call)
    assert look.lines == []


class Lying:
    verdict = "pass"


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.builds(Lying)))
def test_nothing_but_a_whole_outcome_can_be_a_pass(answer):
    assert safe_outcome(answer, Redactor()).verdict is Verdict.ERROR


@given(st.text(), st.text(min_size=6, alphabet=st.characters(categories=["L", "N"])), st.text())
def test_a_known_secret_never_survives_the_border(before, secret, after):
    redact = Redactor.knowing([secret])
    assert secret not in safe(before + secret + after, redact).replace("•••", "")


def test_dropped_lines_are_told_when_the_next_one_passes():
    now = 0.0
    out: list[str] = []
    gate = LogGate(out.append, Redactor(), clock=lambda: now)
    for n in range(210):
        gate(str(n))
    now = 1.0
    gate("later")
    assert out[200:] == ["… 10 lines not shown", "later"]


async def test_a_worker_and_its_programs_end_when_their_parent_is_killed(look, until):
    code = (
        "import asyncio, pathlib, sys\n"
        "from checks.registry import Registry; from checks.runner import Call, run_check\n"
        "from state.definition import Item; from state.targets import Targets\n"
        "p = pathlib.Path(sys.argv[1])\n"
        "call = Call(item=Item(id='i', text='t', check='ours.heavy_wait'), project=p, artefacts=p / 'a',\n"
        "            targets=Targets({}), on_log=lambda line: print(line, flush=True))\n"
        "asyncio.run(run_check(Registry.load(['ours.py'], p), call))\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(look.project), stdout=asyncio.subprocess.PIPE
    )
    pids = [int(await parent.stdout.readline()), int(await parent.stdout.readline())]
    assert all(map(alive, pids))
    parent.kill()
    await parent.wait()
    await until(lambda: not any(map(alive, pids)))

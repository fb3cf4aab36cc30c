"""What the logs say, and lines that other lines answer."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest

from metrics.logtime import time_of
from state.verdicts import Outcome, Verdict

NOW = datetime.now(UTC)


def at(minutes_ago: float, text: str) -> str:
    return f"{NOW - timedelta(minutes=minutes_ago):%Y-%m-%d %H:%M:%S} +0000 {text}\n"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection", "pool exhausted"),
        ("FATAL:  sorry, too many clients already", "too many connections"),
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", "too many connections"),
        ("server closed the connection unexpectedly", "connection lost"),
        ("SSL connection has been closed unexpectedly", "connection lost"),
        ("could not translate host name", "cannot connect"),
        ("canceling statement due to statement timeout", "timeout"),
        ("deadlock detected", "deadlock"),
        ("sqlite3.OperationalError: database is locked", "sqlite still used"),
        ("[ERROR] in app: it broke", "ERROR"),
        ('127.0.0.1 - - "GET / HTTP/1.1" 502 12 "-" "x"', "http 5xx"),
        ("Traceback (most recent call last):", "Traceback"),
    ],
)
async def test_every_known_trouble_fails_and_is_counted(look, line, kind):
    (look.project / "app.log").write_text(at(3, "INFO started") + at(2, line))
    outcome = await look("logs.clean", {"files": ["app.log"], "last": "10m"})
    assert outcome.verdict is Verdict.FAIL
    assert outcome.evidence[kind] == 1
    assert outcome.evidence["lines"] == 2
    assert line[:20] in outcome.evidence["line 1"]


async def test_a_clean_log_passes_and_says_how_much_it_looked_at(look):
    text = at(60, "ERROR long ago") + "  a line of its traceback: ERROR\n" + at(4, "INFO a") + at(3, "WARNING b")
    (look.project / "app.log").write_text(text)
    outcome = await look("logs.clean", {"files": ["app.log"], "last": "10m"})
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["lines"] == 2
    assert "2 lines of 1 files" in outcome.actual
    whole = await look("logs.clean", {"files": ["app.log"]})
    assert whole.verdict is Verdict.FAIL


async def test_what_is_allowed_is_counted_but_not_held_against_it(look):
    (look.project / "app.log").write_text(at(1, "ERROR the known one") + at(1, "INFO ok"))
    outcome = await look("logs.clean", {"files": ["app.log"], "allow": ["the known one"]})
    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence["allowed"] == 1


async def test_a_log_that_is_not_there_or_says_nothing_is_unknown(look):
    assert (await look("logs.clean", {"files": ["gone.log"]})).verdict is Verdict.UNKNOWN
    assert (await look("logs.clean", {"files": []})).verdict is Verdict.UNKNOWN
    (look.project / "app.log").write_text(at(60, "INFO old"))
    empty = await look("logs.clean", {"files": ["app.log"], "last": "5m"})
    assert empty.verdict is Verdict.UNKNOWN
    accepted = await look("logs.clean", {"files": ["app.log"], "last": "5m", "may_be_empty": True})
    assert accepted.verdict is Verdict.PASS
    assert "0 lines" in accepted.actual


async def test_the_window_may_begin_at_an_item(look):
    (look.project / "app.log").write_text(at(20, "ERROR before the deploy") + at(1, "INFO after"))
    deployed = Outcome.of(Verdict.PASS, "live", observed_at=NOW - timedelta(minutes=5))
    with_ = {"files": ["app.log"], "since": "deploy"}
    assert (await look("logs.clean", with_, evidence={"deploy": deployed})).verdict is Verdict.PASS
    assert (await look("logs.clean", with_)).verdict is Verdict.UNKNOWN
    before = (NOW - timedelta(minutes=30)).isoformat()
    assert (await look("logs.clean", with_ | {"since": before})).verdict is Verdict.FAIL


async def test_the_log_may_be_what_a_command_prints(look):
    def printing(text: str) -> list[str]:
        return [sys.executable, "-c", f"print({text!r}, end='')"]

    good = await look("logs.clean", {"command": printing(at(1, "INFO fine")), "last": "5m"})
    assert good.verdict is Verdict.PASS, good
    assert good.evidence["lines"] == 1
    bad = await look("logs.clean", {"command": printing(at(1, "ERROR it broke"))})
    assert bad.verdict is Verdict.FAIL
    silent = await look("logs.clean", {"command": printing("")})
    assert silent.verdict is Verdict.UNKNOWN
    broken = await look("logs.clean", {"command": [sys.executable, "-c", "raise SystemExit('no such service')"]})
    assert broken.verdict is Verdict.UNKNOWN
    assert "no such service" in broken.actual
    assert (await look("logs.clean", {"command": ["no-such-program"]})).verdict is Verdict.UNKNOWN
    assert (await look("logs.clean", {})).verdict is Verdict.UNKNOWN


async def test_a_command_that_follows_its_log_is_an_error_at_the_deadline(look):
    following = [sys.executable, "-c", "import time; time.sleep(60)"]
    outcome = await look("logs.clean", {"command": following}, timeout="500ms")
    assert outcome.verdict is Verdict.ERROR


async def test_escape_sequences_in_a_log_do_not_reach_the_evidence(look):
    (look.project / "app.log").write_bytes(at(1, "ERROR \x1b[2Jcleared").encode() + b"\xff\xfe bad bytes ERROR\n")
    outcome = await look("logs.clean", {"files": ["app.log"]})
    assert "\x1b" not in repr(outcome.evidence).replace("\\x1b", "\x1b")
    assert outcome.evidence["ERROR"] == 2


@pytest.mark.parametrize(
    "line",
    [
        "[2026-11-22 20:08:17 +0000] [7] [INFO] hi",
        "2026-11-22 20:08:17.123 UTC [7] LOG:  hi",
        "2026-11-22T20:08:17,5Z hi",
        "2026-11-22 21:08:17+01:00 hi",
        '127.0.0.1 - - [22/Nov/2026:20:08:17 +0000] "GET / HTTP/1.1" 200',
    ],
)
def test_the_time_of_a_line_is_understood(line):
    assert time_of(line) == datetime(2026, 11, 22, 20, 8, 17, tzinfo=UTC)


def test_a_line_without_a_sensible_time_has_none():
    assert time_of("2026-13-45 99:99:99 hi") is None
    assert time_of("no time") is None


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        (Outcome.passed("x"), "pass"),
        (Outcome.warned("x"), "fail"),
        (Outcome.failed("x"), "fail"),
        (Outcome.unknown("x"), "unknown"),
        (Outcome.error("x"), "unknown"),
        (None, "unknown"),
    ],
)
async def test_items_pass_only_when_all_of_them_have(look, second, verdict):
    evidence = {"a": Outcome.passed("x")} | ({"b": second} if second else {})
    outcome = await look("items.passed", {"items": ["a", "b"]}, evidence=evidence)
    assert outcome.verdict == verdict


async def test_no_item_at_all_is_unknown(look):
    assert (await look("items.passed", {"items": []})).verdict is Verdict.UNKNOWN

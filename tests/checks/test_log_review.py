"""New kinds of errors since the last review, and timeouts since a moment."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errorkinds import kind_of, masked
from state.verdicts import Outcome, Verdict


def at(minutes_ago: float, text: str) -> str:
    return f"[{datetime.now(UTC) - timedelta(minutes=minutes_ago):%Y-%m-%d %H:%M:%S} +0000] {text}\n"


TRACE = 'Traceback (most recent call last):\n  File "app.py", line {}, in x\n    y()\nKeyError: {}\n'
WITH = {"files": ["app.log"]}


@pytest.fixture
def log(look):
    def write(*lines: str) -> None:
        (look.project / "app.log").write_text("".join(lines))

    return write


def test_lines_that_differ_in_numbers_ids_times_and_quotes_are_of_one_kind():
    one = "2026-11-22T20:08:17.123Z [7] ERROR user 17 'ada' of 3f2504e0-4f89-11d3-9a0c-0305e82c3301: \"x\" <a@b.org>"
    two = "2026-12-01T01:00:00Z [8213] ERROR user 4 'eve' of 9b2d7e54-1111-2222-3333-0305e82c3399: \"yy\" <c@d.net>"
    assert kind_of(one) == kind_of(two) is not None
    assert kind_of("ERROR the pool is gone") != kind_of("ERROR the disk is gone")
    assert kind_of("INFO user 17 is here") is None


@given(st.text(max_size=80))
def test_a_mask_is_short_and_masks_no_more_the_second_time(text):
    once = masked(text)
    assert len(once) <= 200
    assert not any(char.isascii() and char.isdigit() for char in once)


async def test_a_kind_that_was_there_before_is_known_and_a_new_one_fails(look, log):
    log(at(300, "ERROR order 1 failed"), at(30, "ERROR order 2 failed"), at(20, "INFO fine"))
    outcome = await look("logs.review", WITH)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["known 1"] == "1 × ERROR order # failed"
    log(at(300, "ERROR order 1 failed"), at(30, "ERROR cart 2 failed"), at(20, "ERROR cart 3 failed"))
    new = await look("logs.review", WITH)
    assert new.verdict is Verdict.FAIL
    assert new.evidence["new 1"] == "2 × ERROR cart # failed"
    again = await look("logs.review", WITH)
    assert again.verdict is Verdict.FAIL  # a second look is the same review: nobody has read it yet


async def test_the_next_review_knows_what_the_last_one_saw_even_when_the_log_was_rotated(look, log):
    log(at(30, "ERROR cart 2 failed"))
    assert (await look("logs.review", WITH)).verdict is Verdict.FAIL
    _age(look, hours=5)
    log(at(10, "ERROR cart 9 failed"), at(9, "INFO fine"))
    second = await look("logs.review", WITH)
    assert second.verdict is Verdict.PASS, second
    assert second.evidence["known kinds"] == 1
    log(at(9, "ERROR mail 9 failed"))
    assert (await look("logs.review", WITH)).verdict is Verdict.FAIL


async def test_the_window_reaches_back_to_the_last_review_however_long_ago(look, log):
    log(at(30, "INFO fine"))
    assert (await look("logs.review", WITH)).verdict is Verdict.PASS
    _age(look, hours=9)
    log(at(7 * 60, "ERROR in between"), at(1, "INFO fine"))
    assert (await look("logs.review", WITH)).verdict is Verdict.FAIL


def _age(look, hours: float) -> None:
    """As if the reviews so far had been HOURS earlier."""
    path = look.project / "artefacts" / "review-item.json"
    memory = json.loads(path.read_bytes())

    def before(text: str) -> str:
        return (datetime.fromisoformat(text) - timedelta(hours=hours)).isoformat()

    aged = {"looked": [before(one) for one in memory["looked"]]}
    aged["kinds"] = {kind: before(first) for kind, first in memory["kinds"].items()}
    path.write_text(json.dumps(aged))


async def test_a_traceback_is_of_the_kind_of_its_exception(look, log):
    log(at(3, "INFO a"), TRACE.format(7, "'a'"), at(2, "INFO b"), TRACE.format(9, "'b'"), at(1, "INFO c"))
    outcome = await look("logs.review", WITH)
    assert outcome.evidence["new 1"] == "2 × KeyError: …"
    assert outcome.evidence["new kinds"] == 1


async def test_the_first_review_may_begin_at_an_item_and_lines_may_be_allowed(look, log):
    log(at(600, "ERROR old"), at(300, "ERROR since the deploy"))
    deployed = {"deploy": Outcome.of(Verdict.PASS, "live", observed_at=datetime.now(UTC) - timedelta(minutes=400))}
    outcome = await look("logs.review", {**WITH, "since": "deploy"}, evidence=deployed)
    assert outcome.verdict is Verdict.FAIL
    allowed = await look("logs.review", {**WITH, "since": "deploy", "allow": ["since the"]}, evidence=deployed)
    assert (allowed.verdict, allowed.evidence["allowed"]) == (Verdict.PASS, 1)
    assert (await look("logs.review", {**WITH, "since": "deploy"}, item="other")).verdict is Verdict.UNKNOWN


async def test_a_review_of_nothing_is_unknown_and_a_lost_memory_an_error(look, log):
    assert (await look("logs.review", {})).verdict is Verdict.UNKNOWN
    assert (await look("logs.review", WITH)).verdict is Verdict.UNKNOWN
    log(at(600, "INFO old"))
    assert (await look("logs.review", WITH)).verdict is Verdict.UNKNOWN
    assert (await look("logs.review", {**WITH, "may_be_empty": True})).verdict is Verdict.PASS
    (look.project / "artefacts" / "review-item.json").write_text("{")
    assert (await look("logs.review", WITH)).verdict is Verdict.ERROR


async def test_a_review_reads_what_a_command_prints_and_keeps_no_text_of_it(look):
    printing = [sys.executable, "-c", f"print({at(1, 'ERROR token CANARYcanary refused')!r})"]
    assert (await look("logs.review", {"command": printing})).verdict is Verdict.FAIL
    assert "CANARY" not in (look.project / "artefacts" / "review-item.json").read_text()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00", "pool"),
        ("ERROR:  canceling statement due to statement timeout", "statement"),
        ("canceling statement due to lock timeout", "lock"),
        ("FATAL:  terminating connection due to idle-in-transaction timeout", "idle in transaction"),
        ("query_wait_timeout", "pooler"),
        ('connection to server at "h", port 5432 failed: Connection timed out', "connect"),
        ("[CRITICAL] WORKER TIMEOUT (pid:7)", "worker"),
        ('1.1.1.1 - - [x] "GET / HTTP/1.1" 504 12', "http 504"),
        ("httpx.ReadTimeout: The read operation timed out", "other"),
    ],
)
async def test_every_timeout_since_the_deploy_fails_by_who_gave_up(look, log, line, kind):
    deployed = {"deploy": Outcome.of(Verdict.PASS, "live", observed_at=datetime.now(UTC) - timedelta(minutes=5))}
    log(at(9, "WORKER TIMEOUT before"), at(3, "INFO fine"), at(2, line))
    outcome = await look("logs.timeouts", {**WITH, "since": "deploy"}, evidence=deployed)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert (outcome.evidence[kind], outcome.evidence["lines"]) == (1, 2)
    allowed = await look("logs.timeouts", {**WITH, "since": "deploy", "at_most": 1}, evidence=deployed)
    assert allowed.verdict is Verdict.PASS


async def test_a_log_without_a_timeout_passes_and_one_that_is_not_there_is_unknown(look, log):
    log(at(3, "INFO timeout=30 is configured"), at(2, "ERROR something else"))
    outcome = await look("logs.timeouts", {**WITH, "last": "10m"})
    assert outcome.verdict is Verdict.PASS, outcome
    assert (await look("logs.timeouts", {"files": ["gone.log"]})).verdict is Verdict.UNKNOWN
    assert (await look("logs.timeouts", {**WITH, "last": "1m"})).verdict is Verdict.UNKNOWN
    assert (await look("logs.timeouts", {**WITH, "since": "deploy"})).verdict is Verdict.UNKNOWN

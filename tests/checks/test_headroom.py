"""How close the pools came to their end during another item."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from metrics.history import History, history_path
from metrics.samples import Measurement
from state.verdicts import Outcome, Verdict

END = datetime.now(UTC).replace(microsecond=0)
BEGIN = END - timedelta(seconds=60)
SEEN = Outcome.passed("1,000 requests", evidence={"began": BEGIN.isoformat(), "ended": END.isoformat()})
EVIDENCE = {"load-test": SEEN}
WITH = {"during": "load-test", "files": ["app.log"]}
QUIET = f"{END - timedelta(seconds=9):%Y-%m-%d %H:%M:%S} +0000 INFO fine\n"


@pytest.fixture
def recorded(look):
    """`recorded(app=…, pg=…)`: usages from a minute before BEGIN to a minute after END, one a second."""

    def write(
        app: float | None = 0.5,
        pg: float | None = 0.4,
        seconds: range = range(180),
        others: dict[str, float] | None = None,
        **more: float,
    ) -> None:
        (look.project / "app.log").write_text(QUIET)
        (look.project / "artefacts").mkdir(exist_ok=True)
        history = History(history_path((look.project / "artefacts").with_suffix(".toml")))
        values = (
            {"pool.app_usage": app, "pg.usage": pg}
            | (others or {})
            | {f"log.{name}": count for name, count in more.items()}
        )
        for second in seconds:
            at = BEGIN + timedelta(seconds=second - 60)
            history.add(
                Measurement(name, value, 1, "count" if name.startswith("log.") else "ratio", at)
                for name, value in values.items()
            )
        history.close()

    return write


async def test_peaks_under_the_limit_and_a_quiet_log_pass_by_source(look, recorded):
    recorded()
    outcome = await look("pool.headroom", WITH, evidence=EVIDENCE)
    assert outcome.verdict is Verdict.PASS, outcome
    assert "pool.app_usage 50.0%" in outcome.actual
    assert (outcome.evidence["pg.usage peak"], outcome.evidence["lines"]) == ("40.0%", 1)


async def test_one_peak_over_the_limit_fails_by_its_name(look, recorded):
    recorded()
    recorded(app=0.3, pg=0.85, seconds=range(100, 101))
    outcome = await look("pool.headroom", WITH, evidence=EVIDENCE)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert outcome.actual.startswith("pg.usage reached 85.0%")
    assert "pool.app_usage reached" not in outcome.actual


STAGING = {**WITH, "metrics": ["staging-pool.app_usage", "staging-postgres.usage"]}


async def test_staging_is_judged_by_its_own_pool_and_not_by_production_s(look, recorded):
    recorded(app=0.1, pg=0.1, others={"staging-pool.app_usage": 0.95, "staging-postgres.usage": 0.2})
    outcome = await look("pool.headroom", STAGING, evidence=EVIDENCE)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert outcome.actual.startswith("staging-pool.app_usage reached 95.0%")
    recorded(app=0.99, pg=0.99, others={"staging-pool.app_usage": 0.5, "staging-postgres.usage": 0.2})
    quiet = await look("pool.headroom", {**STAGING, "holds": "< 96%"}, evidence=EVIDENCE)
    assert quiet.verdict is Verdict.PASS, quiet


async def test_staging_without_sources_of_its_own_is_unknown_and_the_missing_table_is_named(look, recorded):
    recorded(app=0.1, pg=0.1)
    outcome = await look("pool.headroom", STAGING, evidence=EVIDENCE)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "no source reports staging-pool.app_usage; no source reports staging-postgres.usage" in outcome.actual
    assert "[metrics.staging-pool]" in outcome.hint


async def test_a_peak_before_or_after_the_item_is_not_held_against_it(look, recorded):
    recorded(seconds=range(50, 130))
    recorded(app=1.0, seconds=range(40, 41))
    recorded(app=1.0, seconds=range(150, 151))
    assert (await look("pool.headroom", WITH, evidence=EVIDENCE)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection", "pool exhausted"),
        ("FATAL:  sorry, too many clients already", "too many connections"),
    ],
)
async def test_a_full_pool_in_the_log_fails_however_low_the_peaks_were(look, recorded, text, kind):
    recorded()
    (look.project / "app.log").write_text(QUIET + QUIET.replace("INFO fine", text))
    outcome = await look("pool.headroom", WITH, evidence=EVIDENCE)
    assert outcome.verdict is Verdict.FAIL
    assert f"1 × {kind}" in outcome.actual
    (look.project / "app.log").write_text(QUIET + f"{END + timedelta(minutes=5):%Y-%m-%d %H:%M:%S} +0000 {text}\n")
    assert (await look("pool.headroom", WITH, evidence=EVIDENCE)).verdict is Verdict.PASS


async def test_without_a_log_file_the_counts_of_the_live_source_tell(look, recorded):
    recorded(pool_exhausted=0, too_many_connections=0)
    with_ = {"during": "load-test"}
    assert (await look("pool.headroom", with_, evidence=EVIDENCE)).verdict is Verdict.PASS
    recorded(pool_exhausted=2, seconds=range(100, 101))
    outcome = await look("pool.headroom", with_, evidence=EVIDENCE)
    assert (outcome.verdict, "2 × log.pool_exhausted" in outcome.actual) == (Verdict.FAIL, True)


@pytest.mark.parametrize(
    ("given", "with_", "said"),
    [
        ({"app": None}, WITH, "pool.app_usage was watched for 0%"),
        ({"seconds": range(60, 90)}, WITH, "pool.app_usage was watched for 5"),
        ({}, {"during": "load-test"}, "no log was watched"),
        ({}, {"during": "load-test", "files": ["gone.log"]}, "no log file"),
        ({}, {"during": "load-test", "files": ["empty.log"]}, "not one line"),
        ({}, {"during": "other"}, "'other' has not run"),
        ({}, {"during": "quick"}, "does not say when it began"),
        ({}, {}, "no window"),
        ({}, {**WITH, "history": "gone.db"}, "no metric history"),
    ],
)
async def test_what_was_not_watched_is_unknown(look, recorded, given, with_, said):
    recorded(**given)
    (look.project / "empty.log").touch()
    outcome = await look("pool.headroom", with_, evidence=EVIDENCE | {"quick": Outcome.passed("x")})
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert said in outcome.actual


async def test_a_window_of_its_own_needs_no_item(look, recorded):
    recorded()
    ended = {"migrate": Outcome.of(Verdict.PASS, "done", observed_at=END)}
    outcome = await look("pool.headroom", {**WITH, "during": "migrate", "over": "40s"}, evidence=ended)
    assert outcome.verdict is Verdict.PASS, outcome


async def test_without_an_item_the_window_ends_now(look, recorded):
    late = round((datetime.now(UTC) - END).total_seconds())
    recorded(seconds=range(late + 60, late + 125))
    (look.project / "app.log").write_text(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} +0000 INFO fine\n")
    outcome = await look("pool.headroom", {"over": "30s", "files": ["app.log"]})
    assert outcome.verdict is Verdict.PASS, outcome

"""Whether now is a time of little traffic, by each source of a rate."""

from __future__ import annotations

import gzip
import http.server
import json
import math
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.rates import Rates, of_history
from checks.traffic import judged, rank_of
from metrics.history import History, history_path
from metrics.samples import Measurement
from state.verdicts import Verdict

WEEK = [10.0 + 9 * math.sin(hour / 24 * 2 * math.pi) for hour in range(24 * 7)]
DAYS = 7 * 86_400.0


def of(now: float | None, before: list[float] = WEEK, span: float = DAYS) -> Rates:
    return Rates("a source", now, tuple(before), span)


@pytest.mark.parametrize(
    ("rates", "verdict", "said"),
    [
        (of(1.5), Verdict.PASS, "1.5 requests/s, percentile 12 of the last 7d by a source"),
        (of(18.0), Verdict.FAIL, "percentile 8"),
        (of(10.0, [10.0] * 100), Verdict.FAIL, "percentile 50"),  # always the same is never low
        (of(1.5, WEEK[:20], 20 * 3600.0), Verdict.WARN, "too little history"),
        (of(18.0, WEEK[:20], 20 * 3600.0), Verdict.FAIL, "percentile"),
        (of(1.5, WEEK[:3], 3 * 3600.0), Verdict.UNKNOWN, "too few"),
        (of(None), Verdict.UNKNOWN, "says nothing of the last 10m"),
        (of(0.0), Verdict.UNKNOWN, "never was so"),
        (of(0.0, [0.0, *WEEK]), Verdict.UNKNOWN, "in the last 20m, which never was so"),
        (of(0.0, [0.0, *WEEK, 0.0, 0.0, 5.0]), Verdict.PASS, "percentile 1"),
    ],
)
def test_now_is_judged_by_its_rank_in_what_was(rates, verdict, said):
    outcome = judged(rates, 0.25, 600.0)
    assert outcome.verdict is verdict, outcome
    assert said in outcome.actual
    assert outcome.evidence["source"] == "a source"


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_rank_is_a_part_and_grows_with_the_value(others, a, b):
    low, high = sorted((a, b))
    assert 0 <= rank_of(low, others) <= rank_of(high, others) <= 1


def combined(minutes_ago: float, path: str = "/") -> str:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return f'10.0.0.1 - - [{at:%d/%b/%Y:%H:%M:%S +0000}] "GET {path} HTTP/1.1" 200 12 "-" "x"\n'


def as_json(minutes_ago: float) -> str:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return json.dumps({"ts": at.isoformat(), "status": 200, "path": "/"}) + "\n"


def as_epoch(minutes_ago: float) -> str:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return json.dumps({"time": at.timestamp() * 1000, "status_code": "200"}) + "\n"


@pytest.mark.parametrize("line", [combined, as_json, as_epoch])
async def test_an_access_log_with_its_rotated_parts_tells(look, line):
    log = look.project / "access.log"
    with gzip.open(log.with_name("access.log.2.gz"), "wt") as oldest:
        oldest.writelines(line(minute) for minute in range(2880, 1440, -2) for _ in range(3))
    log.with_name("access.log.1").write_text(
        "".join(line(minute) for minute in range(1440, 60, -2) for _ in range(2))
    )
    log.write_text("".join(line(minute) for minute in range(60, 12, -2) for _ in range(3)) + line(1))
    outcome = await look("traffic.low", {"files": ["access.log"]})
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["source"] == "the access log access.log (3 files)"
    assert outcome.evidence["rate"] == round(1 / 600, 4)
    assert outcome.evidence["span"] == "2d"
    with log.open("a") as more:
        more.writelines(line(1) for _ in range(50))
    assert (await look("traffic.low", {"files": ["access.log"]})).verdict is Verdict.FAIL


async def test_lines_that_are_to_be_ignored_do_not_count(look):
    lines = [combined(minute) for minute in range(2000, 0, -2)] + [combined(1, "/healthz") for _ in range(500)]
    (look.project / "access.log").write_text("".join(lines))
    with_ = {"files": ["access.log"], "at_most": "60%"}
    assert (await look("traffic.low", with_)).verdict is Verdict.FAIL
    assert (await look("traffic.low", {**with_, "ignore": ["GET /healthz"]})).verdict is Verdict.PASS


async def test_a_log_that_says_nothing_of_requests_is_unknown(look):
    (look.project / "access.log").write_text("INFO started\n{broken\n")
    assert (await look("traffic.low", {"files": ["access.log"]})).verdict is Verdict.UNKNOWN
    assert (await look("traffic.low", {"files": ["gone.log"]})).verdict is Verdict.UNKNOWN
    (look.project / "access.log").write_text("".join(combined(minute) for minute in range(3000, 30, -1)))
    silent = await look("traffic.low", {"files": ["access.log"]})
    assert silent.verdict is Verdict.UNKNOWN
    assert "never was so" in silent.actual
    (look.project / "access.log.1.gz").write_bytes(b"\x1f\x8b broken")
    assert (await look("traffic.low", {"files": ["access.log"]})).verdict is Verdict.ERROR


@pytest.fixture
def recorded(look):
    def write(rate: float, minutes: range, unit: str = "1/s") -> None:
        history = History(history_path((look.project / "artefacts").with_suffix(".toml")))
        history.add(
            Measurement("app.rate", rate, 1, unit, datetime.now(UTC) - timedelta(minutes=minute))
            for minute in minutes
        )
        history.close()

    return write


async def test_the_history_of_the_live_metric_tells(look, recorded):
    recorded(20.0, range(2000, 10, -1))
    recorded(2.0, range(10, -1, -1))
    outcome = await look("traffic.low", {"metric": "app.rate"})
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["source"] == "the metric app.rate"
    recorded(90.0, range(9, 0, -1))
    assert (await look("traffic.low", {"metric": "app.rate"})).verdict is Verdict.FAIL


async def test_a_metric_that_is_not_looked_at_now_or_is_no_rate_says_nothing(look, recorded):
    assert (await look("traffic.low", {"metric": "app.rate"})).verdict is Verdict.UNKNOWN
    recorded(20.0, range(2000, 10, -1))
    outcome = await look("traffic.low", {"metric": "app.rate"})
    assert outcome.verdict is Verdict.UNKNOWN
    assert "says nothing of the last 10m" in outcome.actual
    recorded(1.0, range(3), "ratio")
    assert (await look("traffic.low", {"metric": "no.such"})).verdict is Verdict.UNKNOWN


class Prometheus(http.server.BaseHTTPRequestHandler):
    """Answers a range query as the HTTP API does, with what the test says."""

    answer: dict[str, object] | bytes
    asked: list[tuple[str, dict[str, list[str]], str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        type(self).asked.append((self.path, parse_qs(body), self.headers.get("Authorization", "")))
        raw = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        self.send_response(401 if raw == b"no" else 200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def prometheus():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Prometheus) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        Prometheus.asked = []
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def matrix(*series: list[tuple[float, str]]) -> dict[str, object]:
    result = [{"metric": {}, "values": values} for values in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def course(now: str, days: int = 3) -> list[tuple[float, str]]:
    end = datetime.now(UTC).timestamp()
    return [(end - 600 * n, "20.5") for n in range(days * 144, 0, -1)] + [(end, now)]


async def test_a_prometheus_server_tells(look, prometheus):
    Prometheus.answer = matrix(course("1.5"))
    with_ = {"prometheus": f"{prometheus}/", "query": "sum(rate(x[10m]))", "token": "CANARY-token"}
    outcome = await look("traffic.low", with_)
    assert outcome.verdict is Verdict.PASS, outcome
    path, asked, header = Prometheus.asked[-1]
    assert (path, asked["query"], asked["step"]) == ("/api/v1/query_range", ["sum(rate(x[10m]))"], ["600"])
    assert header == "Bearer CANARY-token"
    assert "CANARY" not in repr(outcome)
    Prometheus.answer = matrix(course("300"))
    assert (await look("traffic.low", with_)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("answer", "verdict", "said"),
    [
        (matrix(course("NaN")), "unknown", "says nothing of the last"),
        (matrix(), "unknown", "no such series"),
        (matrix(course("1"), course("2")), "error", "more than one series"),
        ({"status": "error", "errorType": "bad_data"}, "error", "bad_data"),
        (b"no", "error", "answers 401"),
        (b"<html>", "error", "answers 200"),
    ],
)
async def test_an_answer_without_a_rate_is_no_low_traffic(look, prometheus, answer, verdict, said):
    Prometheus.answer = answer
    outcome = await look("traffic.low", {"prometheus": prometheus})
    assert outcome.verdict == verdict, outcome
    assert said in outcome.actual


async def test_a_server_that_is_not_there_is_an_error_and_no_source_is_unknown(look):
    assert (await look("traffic.low", {"prometheus": "http://127.0.0.1:9"})).verdict is Verdict.ERROR
    assert (await look("traffic.low", {})).verdict is Verdict.UNKNOWN
    both = await look("traffic.low", {"prometheus": "http://127.0.0.1:9", "metric": "app.rate"})
    assert both.verdict is Verdict.ERROR
    assert (await look("traffic.low", {"metric": "app.rate", "at_most": "little"})).verdict is Verdict.ERROR


def test_a_history_that_is_a_few_looks_behind_still_says_what_is_now(tmp_path) -> None:
    now = datetime.now(UTC)
    for behind, told in ((3, True), (8, False)):
        path = tmp_path / f"{behind}.metrics.db"
        history = History(path)
        history.add(
            Measurement("app.rate", 20.0, 1, "1/s", now - timedelta(seconds=second))
            for second in range(60, behind - 1, -1)
        )
        history.close()
        rates = of_history(path, "app.rate", 2.0, 600.0, now)
        assert (rates.now is not None) is told

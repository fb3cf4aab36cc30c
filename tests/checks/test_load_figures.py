"""What a load test's figures come to: totals, percentiles, limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.swarm.command import Load, argv_of, environment, lacks_locust, short_of_cpu, why_not
from checks.swarm.figures import Limits, Told, Totals, most_of, told_in, totals_of

LIMITS = Limits(0.01, 500.0)


def row(times: dict[str, int], failures: int = 0, start: float = 100.0, last: float = 110.0) -> dict[str, object]:
    return {
        "name": "/",
        "method": "GET",
        "num_requests": sum(times.values()),
        "num_failures": failures,
        "response_times": times,
        "start_time": start,
        "last_request_timestamp": last,
    }


def test_the_rows_are_summed_and_their_histograms_merged():
    document = json.dumps([row({"10": 90, "20": 5}, 1), row({"400": 5}, 2, 105.0, 120.0)]).encode()
    totals = totals_of(document)
    assert (totals.requests, totals.failures, totals.seconds, totals.rps) == (100, 3, 20.0, 5.0)
    assert [totals.percentile(p) for p in (50, 95, 99)] == [10.0, 20.0, 400.0]
    assert totals.failed == 0.03


def test_no_request_is_no_figure_and_never_a_good_one():
    totals = totals_of(b"[]")
    assert (totals.requests, totals.failed, totals.rps, totals.percentile(95)) == (0, None, None, None)
    few = totals_of(json.dumps([row({"10": 19})]).encode())
    assert (few.percentile(50), few.percentile(95), few.percentile(99)) == (10.0, None, None)


@pytest.mark.parametrize(
    "document", [b"", b"{}", b"[] []", b'[{"name": 1}]', b"\xff", b'[{"response_times": {"x": 1}}]']
)
def test_what_is_no_document_of_locust_is_refused(document):
    with pytest.raises(ValueError, match="cannot be read"):
        totals_of(document)


@given(st.dictionaries(st.integers(0, 60_000), st.integers(1, 500), min_size=1), st.floats(0.1, 100))
def test_a_percentile_is_a_time_that_was_seen_with_enough_at_or_under_it(times, percent):
    totals = Totals(sum(times.values()), 0, 0.0, 1.0, {float(t): n for t, n in times.items()})
    found = totals.percentile(percent)
    if found is not None:
        assert found in times
        under = sum(n for t, n in times.items() if t <= found)
        assert under >= totals.requests * percent / 100 - 1e-6


def test_each_broken_limit_is_told():
    assert LIMITS.broken(Totals(1000, 10, 0.0, 10.0, {100.0: 1000})) == []
    assert LIMITS.broken(Totals(1000, 11, 0.0, 10.0, {100.0: 1000})) == ["1.10% failed, at most 1% may"]
    assert LIMITS.broken(Totals(1000, 0, 0.0, 10.0, {100.0: 900, 600.0: 100})) == [
        "p95 600 ms, at most 500 ms may be"
    ]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (Told(10, 5, 10, 100, 100), "100 of 100 requests failed after 10 s"),
        (Told(10, 5, 10, 100, 0, slow=90), "90 of 100 answers took over 500 ms after 10 s"),
        (Told(10, 5, 10, 100, 5), ""),  # the rest may still be good: 5 of 600 is under 1%
        (Told(10, 1, 10, 100, 15), ""),  # and with all users on there will be far more of them
        (Told(10, 5, 10, 100, 15), "15 of 100 requests failed after 10 s"),
        (Told(2, 5, 50, 100, 100), ""),  # the first answers of a cold app
        (Told(0, 0, 0, 0, 0), ""),
    ],
)
def test_a_load_is_hopeless_when_no_rest_could_mend_it(told, why):
    assert LIMITS.hopeless(told, 5, 60.0) == why


@given(st.integers(0, 5000), st.integers(0, 5000), st.floats(5, 60), st.integers(1, 20))
def test_a_load_that_ends_now_is_hopeless_only_if_it_breaks_a_limit(good, bad, duration, users):
    told = Told(duration, users, 1.0, good + bad, bad)
    broken = LIMITS.broken(Totals(good + bad, bad, 0.0, duration, {1.0: good + bad}))
    assert bool(LIMITS.hopeless(told, users, duration)) == bool(broken)


def test_live_lines_are_known_by_their_mark():
    line = b'tminus-load {"elapsed": 1.5, "users": 2, "rps": 3.0, "requests": 4, "failures": 1, "p95": null}\n'
    assert told_in(line) == Told(1.5, 2, 3.0, 4, 1)
    assert told_in(b"a print of somebody's\n") is None
    assert told_in(b"tminus-load {broken") is None
    assert most_of([("a", 1), ("b", 9)], 1) == ["9 × b"]


def test_the_command_names_what_is_brought_on_and_no_secret():
    load = Load("http://h", 9, 0.5, 90, Path("/x/mine.py"), 2)
    argv = argv_of(load, "py", Path("/f"), 5557)
    assert argv[:3] == ["py", "-m", "locust"]
    assert argv[argv.index("-f") + 1].startswith("/x/mine.py,")
    for name, value in (("--users", "9"), ("--spawn-rate", "0.5"), ("--run-time", "90s"), ("--processes", "2")):
        assert argv[argv.index(name) + 1] == value
    assert argv[argv.index("--master-bind-host") + 1] == "127.0.0.1"
    assert "CANARY" in environment(["a"], Path("j"), {"password": "CANARY"}, 1.0)["TMINUS_LOAD_VARS"]


@pytest.mark.parametrize(
    ("stderr", "why"),
    [
        (
            "[2026-11-23 13:00:00,1] host/ERROR/locust.main: No User class found!\n[…] host/INFO/x: bye",
            "No User class found!",
        ),
        ('Traceback (most recent call last):\n  File "x", line 1\nKeyError: 1\n', "KeyError: 1"),
        ("locust: error: unrecognized arguments: --x\n", "locust: error: unrecognized arguments: --x"),
        ("", "it said nothing"),
    ],
)
def test_why_it_did_not_start_is_its_last_error(stderr, why):
    assert why_not(stderr) == why


def test_what_locust_says_of_itself_is_understood():
    assert lacks_locust("/usr/bin/python: No module named locust")
    assert not lacks_locust("ModuleNotFoundError: No module named 'locust_plugins'")
    assert short_of_cpu("[…] h/WARNING/root: CPU usage above 90%! This may constrain your throughput")

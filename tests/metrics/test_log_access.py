"""What lines of a log say: requests, errors and known texts, and that hostile ones say nothing."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metrics.known import KNOWN, TOKENS, is_bad, known_in
from metrics.sources.log.lines import LONGEST
from metrics.sources.log.reading import Reading, Rules
from metrics.sources.log.tally import Tally

GUNICORN = '10.1.2.3 - - [22/Nov/2026:20:08:17 +0000] "GET {} HTTP/1.1" {} 512 "https://e.org/" "Mozilla/5.0 (X11)"'


def read(text: str | bytes, rules: Rules | None = None) -> Tally:
    reading = Reading(rules or Rules())
    reading.feed(text.encode() if isinstance(text, str) else text)
    return reading.take()


@pytest.mark.parametrize(
    "line",
    [
        GUNICORN.format("/a?b=c", 503),
        '10.1.2.3 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 503 2326',
        '10.1.2.3 - - [22/Nov/2026:20:08:17 +0000] "-" 503 0 "-" "-"',
        '::1 - - [22/Nov/2026:20:08:17 +0000] "\\x16\\x03\\x01 \\"quoted\\"" 503 157 "-" "a \\"b\\" c"',
        '2026-11-22T20:08:17Z app[web.1]: 1.2.3.4 - - [22/Nov/2026:20:08:17 +0000] "PUT /x HTTP/1.1" 503 - "-" "c"',
        '127.0.0.1 - - [22/Nov/2026 20:00:00] "POST /x HTTP/1.1" 503 -',
    ],
    ids=["gunicorn", "common", "no request", "escaped", "behind a prefix", "werkzeug"],
)
def test_a_request_of_every_server_is_one(line):
    seen = read(line + "\n")
    assert (seen.lines, seen.requests, seen.failed, seen.errors) == (1, 1, 1, 0)


def test_statuses_are_told_apart():
    seen = read("".join(GUNICORN.format("/", status) + "\n" for status in (200, 301, 401, 403, 404, 499, 500, 502)))
    assert (seen.requests, seen.failed, seen.auth, seen.refused) == (8, 2, 8, 2)


@pytest.mark.parametrize(
    "rules", [Rules(auth_paths=("/login", "/api/auth")), Rules("json", "", ("/login", "/api/auth"))]
)
def test_with_auth_paths_only_those_are_of_authentication(rules):
    asked = [("/login", 401), ("/login?next=/x", 200), ("/api/auth/token", 403), ("/orders", 401), ("/x/login", 403)]
    line = '{{"path": "{}", "status": {}}}' if rules.format == "json" else GUNICORN
    seen = read("".join(line.format(*one) + "\n" for one in asked), rules)
    assert (seen.requests, seen.auth, seen.refused) == (5, 3, 2)


@pytest.mark.parametrize(
    ("unit", "last", "micros"), [("us", "1503", 1503), ("ms", "12", 12_000), ("s", "0.250", 250_000)]
)
def test_the_last_field_is_the_duration_in_the_unit_that_was_said(unit, last, micros):
    seen = read(f"{GUNICORN.format('/', 200)} {last}\n{GUNICORN.format('/', 200)}\n", Rules(duration=unit))
    assert seen.requests == 2
    (got,) = seen.durations.elements()
    assert got == pytest.approx(micros, rel=0.001)


def test_a_number_within_the_quotes_of_a_user_agent_is_no_duration():
    line = GUNICORN.replace("Mozilla/5.0 (X11)", "curl 99999")
    assert not read(line.format("/", 200) + "\n", Rules(duration="us")).durations
    assert not read(GUNICORN.format("/", 200) + " 12\n").durations  # nobody said what it is


@given(st.lists(st.integers(0, 10**12 - 1), max_size=50))
def test_durations_are_kept_to_a_tenth_of_a_percent(micros):
    seen = read("".join(f"{GUNICORN.format('/', 200)} {one}\n" for one in micros), Rules(duration="us"))
    for got, meant in zip(sorted(seen.durations.elements()), sorted(micros), strict=True):
        assert abs(got - meant) <= meant / 1000 + 0.5


@pytest.mark.parametrize("status", ["status", "status_code"])
@pytest.mark.parametrize("path", ["path", "url", "request_uri"])
def test_json_lines_are_read_by_all_their_names(status, path):
    records = [
        {"time": "2026-11-22T20:08:17Z", path: "/a", status: code, "duration_ms": 12.5} for code in (200, "503")
    ]
    seen = read("".join(json.dumps(one) + "\n" for one in records))
    assert (seen.requests, seen.failed, seen.durations.total()) == (2, 1, 2)
    assert next(iter(seen.durations)) == pytest.approx(12_500, rel=0.001)


def test_json_durations_need_their_unit():
    line = '{"path": "/", "status": 200, "response_time": 0.25}\n'
    assert not read(line).durations
    assert next(iter(read(line, Rules(duration="s")).durations)) == pytest.approx(250_000, rel=0.001)


def test_json_records_that_are_no_requests_count_by_their_level_and_text():
    seen = read(
        '{"level": "info", "msg": "an ERROR was fixed"}\n{"level": "error", "msg": "deadlock detected"}\n'
        '{"levelname": "CRITICAL"}\n{"path": "/?q=deadlock detected ERROR", "status": 200}\n{"msg": "FATAL"}\n'
    )
    assert (seen.requests, seen.errors, seen.known) == (1, 3, {"deadlock": 1})


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda kids: st.lists(kids, max_size=3)
    )
)
def test_json_of_other_shapes_never_raises(value):
    record = {"status": value, "path": value, "duration_ms": value, "level": value}
    read(json.dumps(record) + "\n" + json.dumps(value) + "\n", Rules("json", "ms"))


def test_the_format_is_seen_by_itself_and_a_late_access_log_is_too():
    reading = Reading(Rules())
    reading.feed(b"starting\n" * 49)
    assert reading.format == ""
    reading.feed(b"starting\n")
    assert (reading.format, reading.has_requests) == ("errors", False)
    reading.feed(GUNICORN.format("/", 200).encode() + b"\n")
    assert (reading.format, reading.has_requests, reading.take().requests) == ("combined", True, 1)


@pytest.mark.parametrize(("format", "requests"), [("errors", 0), ("combined", 1), ("json", 0)])
def test_a_format_that_was_said_is_not_guessed(format, requests):
    assert read(GUNICORN.format("/", 500) + "\n", Rules(format)).requests == requests


WRITTEN = {
    "pool exhausted": [
        "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow -1 reached, connection timed out"
    ],
    "too many connections": [
        "psycopg2.OperationalError: FATAL:  sorry, too many clients already",
        "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        'FATAL:  too many connections for role "x"',
        'FATAL:  too many connections for database "x"',
        "ERROR: no more connections allowed (max_client_conn)",
    ],
    "connection lost": [
        "consuming input failed: server closed the connection unexpectedly",
        "SSL connection has been closed unexpectedly",
        "SSL SYSCALL error: EOF detected",
        "consuming input failed: SSL error: unexpected eof while reading",
        "terminating connection due to administrator command",
        "psycopg2.InterfaceError: connection already closed",
        "psycopg.OperationalError: the connection is closed",
        "server conn crashed?",
        "client_idle_timeout",
    ],
    "cannot connect": [
        'connection to server at "h" (10.0.0.1), port 5432 failed: Connection refused',
        'could not translate host name "h" to address',
        "FATAL:  the database system is starting up",
        "FATAL:  the database system is shutting down",
    ],
    "timeout": [
        "canceling statement due to statement timeout",
        "canceling statement due to lock timeout",
        "query_wait_timeout",
        "query timeout",
        "idle transaction timeout",
    ],
    "deadlock": ["deadlock detected"],
    "sqlite still used": ["sqlite3.OperationalError: no such table: x", "database is locked"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRITTEN.items() for text in texts])
def test_every_known_text_is_found_by_the_search_and_by_the_check(name, text):
    assert read(f"x\n2026-11-22 20:00:00 worker: {text}\ny\n").known == {name: 1}
    assert next(known for known, pattern in KNOWN.items() if pattern.search(text)) == name


@given(
    st.lists(
        st.sampled_from([*TOKENS, *(t.encode() for ts in WRITTEN.values() for t in ts), b" ", b"\n", b"x", b"[SQL"])
    )
)
def test_the_search_skips_no_line_that_looking_at_each_would_find(pieces):
    data = b"".join(pieces) + b"\n"
    if b"Traceback" in data:
        data = data.replace(b"Traceback", b"traceback")
    lines = data.splitlines(keepends=True)
    seen = read(data, Rules("errors"))
    assert seen.errors == sum(is_bad(line) for line in lines)
    assert seen.known.total() == sum(known_in(line) is not None for line in lines)


TRACEBACK = """\
[2026-11-22 20:08:17 +0000] [7] [ERROR] Error handling request /orders
Traceback (most recent call last):
  File "pool.py", line 1, in connect
    raise OperationalError("FATAL")
psycopg2.OperationalError: connection to server at "h", port 5432 failed: FATAL:  sorry, too many clients already
connection to server at "h", port 5432 failed: FATAL:  sorry, too many clients already


The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "app.py", line 2, in view
    ERROR = 1
sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) FATAL:  sorry, too many clients already
[SQL: SELECT 'ERROR']
(Background on this error at: https://sqlalche.me/e/20/e3q8)
"""


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
def test_a_traceback_with_all_that_belongs_to_it_is_one_event_however_it_arrives(size):
    data = (TRACEBACK + "[2026-11-22 20:08:18 +0000] [7] [INFO] next\n").encode() * 3
    reading = Reading(Rules("errors"))
    for start in range(0, len(data), size):
        reading.feed(data[start : start + size])
    seen = reading.take()
    assert (seen.errors, seen.known) == (3, {"too many connections": 3})


def test_tracebacks_that_follow_each_other_and_lines_behind_them_count_each():
    one = 'Traceback (most recent call last):\n  File "a", line 1\nValueError: x\n'
    assert read(one + one + "worker: ERROR again\nworker: ERROR and again\n").errors == 4


def test_an_address_is_no_error_and_no_known_text():
    seen = read(GUNICORN.format("/?q=ERROR+deadlock detected+sqlite3.OperationalError", 200) + "\n")
    assert (seen.requests, seen.errors, seen.known) == (1, 0, {})


HOSTILE = [
    b" ",
    b'"',
    b'] "',
    b'] "\\"',
    b"\\",
    b'] "GET / HTTP/1.1" 200 1 ',
    b"connection to server at ",
    b"QueuePool limit of size 1",
    b"[",
    b'{"status":',
    b"{",
    b'[{"a":',
    b"1",
    b" 1",
    b"\x1b]0;x\x07",
    b"\xff\xfe\x00",
    b"Traceback (most recent call last)\r",
]


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
@pytest.mark.parametrize("format", ["auto", "combined", "json"])
def test_the_longest_of_hostile_lines_is_read_and_not_gone_over_again_and_again(piece, format):
    """It takes some 10 ms. Going back at every piece takes a thousand times as long: the bound is far from both."""
    data = b'] "GET / HTTP/1.1" 200 ' + piece * (LONGEST // len(piece)) + b"x\n"
    started = time.process_time()
    assert read(data, Rules(format, "s", ("/login",))).lines == 1
    assert time.process_time() - started < 3.0


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([*HOSTILE, b"\n", GUNICORN.encode() + b"\n"]), max_size=30),
    st.integers(1, 50),
)
@settings(deadline=None)
@example([b"{" * 5000, b"\n"], 5000)
def test_any_bytes_are_read_and_only_numbers_come_out(pieces, size):
    data = b"".join(pieces)
    for rules in (Rules(), Rules("combined", "us"), Rules("json", "ms"), Rules("errors")):
        reading = Reading(rules)
        for start in range(0, len(data), size):
            reading.feed(data[start : start + size])
        reading.finish()
        seen = reading.take()
        assert seen.failed <= seen.requests <= seen.lines
        assert seen.errors <= seen.lines
        assert set(seen.known) <= set(KNOWN)
        if rules.format != "auto":
            at_once = Reading(rules)
            at_once.feed(data)
            at_once.finish()
            whole = at_once.take()
            assert (seen.lines, seen.requests, seen.errors, seen.known) == (
                whole.lines,
                whole.requests,
                whole.errors,
                whole.known,
            )

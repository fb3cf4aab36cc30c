"""`tminus report`: what stands in it, and that nothing of a record can be more than text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from metrics.history import History, history_path
from metrics.samples import Measurement
from state.events import Event, utc_text
from state.record_file import RecordFile
from tminus.cli import cli
from tminus.client.course import Course, Happened
from tminus.report.document import Figure, Listing, Report, Section, Words, table
from tminus.report.html import html
from tminus.report.markdown import markdown
from tminus.report.plots import HEIGHT, WIDTH, svg

T0 = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
META = {
    "id": "run",
    "title": "Move <the> data",
    "t0": utc_text(T0),
    "outline": {
        "copy": "day | Copy the rows | transfer.copy | both",
        "say": "day | Say it | human | default",
        "sign": "end | Everybody signs | human | default",
        "gate:errors": "too many errors | http.error_rate | sustained | > 10% | 5m",
    },
    "phases": {"day": {"title": "The day", "at": "T-10m"}, "end": {"title": "The end", "at": "T+30m"}},
    "expected": {"copy": "1m"},
    "people": {"Development Lead": "Anna"},
}
SEEN = {
    "actual": "40 rows copied",
    "expected": "every row",
    "evidence": {"rows": 40, "digest": "abc"},
    "seconds": 90.0,
}
ABOVE = {"waived": "say"}

# minutes from T0, kind, fields
EVENTS: tuple[tuple[float, str, dict[str, Any]], ...] = (
    (-20, "run.created", {"data": META}),
    (-19, "lease.taken", {"reason": "first to act"}),
    (-4, "check.started", {"item": "copy", "data": {"plan": ["copy"]}}),
    (-3, "check.finished", {"item": "copy", "to": "fail", "data": {"actual": "no route to host"}}),
    (-2, "check.started", {"item": "copy"}),
    (-1, "check.finished", {"item": "copy", "to": "pass", "data": SEEN}),
    (0, "mark", {"item": "copy", "to": "confirmed", "data": {"evidence": "e", "witness": "Carla"}}),
    (1, "mark", {"item": "say", "to": "waived", "reason": "nobody was on the phone"}),
    (2, "hold.raised", {"actor": "Bob", "uid": 1001, "reason": "is that error rate normal?", "data": {"id": 1}}),
    (3, "hold.released", {"reason": "it is", "data": {"id": 1}}),
    (
        4,
        "challenge.raised",
        {"actor": "Bob", "uid": 1001, "item": "copy", "reason": "who counted?", "data": {"id": 1}},
    ),
    (5, "challenge.answered", {"item": "copy", "reason": "I did, with psql", "data": {"id": 1}}),
    (6, "lease.granted", {"to": "Bob", "data": {"uid": 1001, "login": "bob"}}),
    (7, "gate.armed", {"item": "errors"}),
    (8, "gate.changed", {"item": "errors", "to": "tripped", "reason": "err 50% > 10% for 05:00"}),
    (9, "gate.decided", {"actor": "Bob", "item": "errors", "to": "continue", "reason": "the probe is at fault"}),
    (10, "phase.go", {"item": "day"}),
    (11, "correction", {"reason": "it was 41 rows, not 40", "data": {"seq": 6}}),
    (12, "mark", {"item": "sign", "to": "confirmed", "data": {"role": "dev", "signer": "Dora", "above": ABOVE}}),
    (13, "phase.go", {"item": "end"}),
    (14, "run.closed", {}),
)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return write(tmp_path / "run.toml")


def write(path: Path, events: tuple[tuple[float, str, dict[str, Any]], ...] = EVENTS) -> Path:
    """A record at PATH with EVENTS."""
    kept = RecordFile(path)
    for minutes, kind, said in events:
        at = utc_text(T0 + timedelta(minutes=minutes))
        fields = {"actor": "Anna", "uid": 1000, "login": "anna", "origin": "ssh 192.0.2.7", **said}
        if kind == "check.finished":
            fields["data"] = {"observed_at": at, **fields["data"]}
        kept.append(Event(seq=0, utc=at, kind=kind, prev="", **fields))
    kept.close()
    return path


def report(record: Path, *more: str) -> str:
    result = CliRunner().invoke(cli, ["report", str(record), *more])
    assert result.exit_code == 0, result.output
    return result.output


def section(text: str, title: str) -> str:
    """What stands in TEXT (Markdown) under the heading TITLE."""
    return re.split(r"^#+ ", text.partition(f" {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_verdict_comes_first_and_says_how_to_believe_it(record: Path) -> None:
    head = report(record).splitlines()
    assert head[2].startswith("**GO** The run is closed. 21 events, verified")


def test_a_run_that_was_closed_with_open_items_is_no_go(tmp_path: Path) -> None:
    events = (*EVENTS[:-1], (14, "run.closed", {"data": {"open": ["sign"]}}))
    assert "**CLOSED, NOT DONE** The run is closed with 1 open items: sign" in report(
        write(tmp_path / "r.toml", events)
    )


def test_a_rollback_names_who_decided_it_and_why(tmp_path: Path) -> None:
    decided = (9, "gate.decided", {"item": "errors", "to": "roll-back", "reason": "half of them fail"})
    text = report(write(tmp_path / "r.toml", (*EVENTS[:15], decided, EVENTS[-1])))
    assert "**ROLLED BACK** The rollback was decided by Anna when errors tripped: half of them fail" in text


def test_a_run_that_is_held_or_open_says_so(tmp_path: Path) -> None:
    assert "**HELD** Held by Bob: is that error rate normal?" in report(write(tmp_path / "a.toml", EVENTS[:9]))
    assert "**OPEN**" in report(write(tmp_path / "b.toml", EVENTS[:8]))


def test_people_are_told_with_login_and_origin_and_who_drove_when(record: Path) -> None:
    people = section(report(record), "People")
    assert "| Anna | anna | 1000 | ssh 192.0.2.7 |" in people
    assert "| 2026-11-22 22:06:00Z | T+6m | Bob | handed over |" in people
    assert "| dev | Dora (attested by Anna) |" in people


def test_what_needs_eyes_is_named(record: Path) -> None:
    eyes = section(report(record), "What needs eyes")
    assert "waived: Say it (say): nobody was on the phone (Anna)" in eyes
    assert "late: Copy the rows (copy): took 1m30s, planned 1m" in eyes
    assert "hold 1 by Bob: is that error rate normal?, released by Anna" in eyes


def test_planned_and_actual_stand_beside_each_other(record: Path) -> None:
    phases = section(report(record), "Phases: planned and actual")
    assert "| The day | T-10m | T-4m | 6m late | T+10m | 14m | 2 |" in phases
    assert "| The end | T+30m | T+12m | 18m early | T+13m | 1m | 1 |" in phases


def test_the_timeline_has_a_correction_beside_what_it_corrects(record: Path) -> None:
    timeline = section(report(record), "Timeline")
    corrected = next(line for line in timeline.splitlines() if line.startswith("| 6 |"))
    assert "40 rows copied; corrected by Anna: it was 41 rows, not 40" in corrected
    for words in ("HOLD: is that error rate normal?", "CHALLENGE on copy: who counted?", "gate errors: tripped"):
        assert words in timeline


def test_the_timeline_tells_a_change_that_somebody_said_go_for_and_what_was_confirmed_anew(tmp_path: Path) -> None:
    undone = (
        *EVENTS[:-2],
        (12.2, "mark", {"item": "copy", "to": "open"}),
        (12.4, "mark", {"item": "copy", "to": "confirmed", "data": {"evidence": "e"}}),
        *EVENTS[-2:],
    )
    lines = section(report(write(tmp_path / "run.toml", undone)), "Timeline").splitlines()
    told = [line.split(" | ")[-1].removesuffix(" |") for line in lines if " | " in line]
    assert "copy: its check begins" in told  # the first attempt, by a plan; the second had none
    assert told.count("copy: its check begins") == 1
    at = told.index("copy: open")
    assert told[at + 1] == "copy: confirmed"


def test_a_signature_that_was_taken_back_is_told_as_such(tmp_path: Path) -> None:
    signed = {"item": "sign", "to": "confirmed", "data": {"role": "dev", "above": ABOVE}}
    undone = (*EVENTS[:-2], (12.2, "mark", {"item": "sign", "to": "open"}), (12.4, "mark", signed), *EVENTS[-2:])
    rows = section(report(write(tmp_path / "run.toml", undone)), "Sign-off")
    assert "| dev | Dora (attested by Anna) | 1000 | anna | 2026-11-22 22:12:00Z | 2026-11-22 22:12:12Z |" in rows
    assert "| dev | Anna | 1000 | anna | 2026-11-22 22:12:24Z |  |" in rows
    assert "taken back" not in section(report(write(tmp_path / "as-it-was.toml")), "Sign-off")


def test_items_gates_data_waivers_and_signatures_have_their_sections(record: Path) -> None:
    text = report(record)
    assert "Anna, with Carla beside (attested)" in section(text, "The day")
    assert "continue by Bob: the probe is at fault" in section(text, "Gates and decisions")
    assert "rows = 40; digest = abc" in section(text, "The data")
    assert "40 (item copy)" in section(text, "Key figures")
    assert "nobody was on the phone" in section(text, "Waivers and other overrides")
    assert "- waived: say" in section(text, "Sign-off")
    assert "errors tripped: err 50% > 10% for 05:00".replace(">", r"\>") in section(text, "What did not")


def test_without_the_samples_it_says_so_and_with_them_it_draws(record: Path) -> None:
    assert "The samples are not at hand" in section(report(record), "Metrics")
    history = History(history_path(record))
    for second in range(-1200, 840, 15):
        if not -300 < second < 0:
            at = T0 + timedelta(seconds=second)
            history.add([Measurement("http.error_rate", 0.5 if second > 0 else 0.0, 10, "ratio", at, bad=5.0)])
    history.close()
    page = report(record, "--format", "html")
    assert page.count("<svg") == 1
    assert "errors &gt; 10%" in page
    assert page.count("<polyline") == 2, "a gap in the samples is a gap in the line"
    assert "http.error" in section(report(record), "Metrics")


def test_the_example_record_and_a_record_from_before_plans_were_kept_are_told(
    repository: Path, tmp_path: Path
) -> None:
    for form in ("md", "html"):
        text = report(repository / "docs" / "example-record.toml", "--format", form)
        assert "rehearsal" in text
        assert "Find every value that PostgreSQL would refuse" in text
    old = (EVENTS[0][0], EVENTS[0][1], {"data": {k: v for k, v in META.items() if k not in ("phases", "expected")}})
    text = report(write(tmp_path / "old.toml", (old, *EVENTS[1:])))
    assert "| day | T-4m |" in section(text, "Phases: planned and actual")


def test_a_record_that_does_not_hold_or_is_not_there_is_refused(record: Path, tmp_path: Path) -> None:
    record.write_text(record.read_text().replace("who counted", "who cares"))
    broken = CliRunner().invoke(cli, ["report", str(record)])
    assert (broken.exit_code, "tminus record verify" in broken.output) == (1, True)
    assert CliRunner().invoke(cli, ["report", str(tmp_path / "none.toml")]).exit_code == 2


def test_it_is_written_whole_to_a_file(record: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    report(record, "--format", "html", "-o", str(out))
    assert out.read_text().endswith("</html>\n")


# --- the page -----------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Fails on what does not balance, and keeps headings, links and tags."""

    VOID = ("meta", "br", "line", "circle", "polygon", "polyline")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_one_file_with_headings_in_order_and_links_that_lead_somewhere(record: Path) -> None:
    page = report(record, "--format", "html")
    found = Page(page)
    assert not re.search(r"(src|href)=\"(?!#)|url\(|@import|<script|<link|<iframe", page)
    assert "default-src 'none'" in page
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = {more.get("id") for _, more in found.tags}
    links = [more["href"] for tag, more in found.tags if tag == "a"]
    assert links
    assert all(str(link).removeprefix("#") in ids for link in links)
    assert all(more.get("scope") for tag, more in found.tags if tag == "th")


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["<script>alert(1)</script>", "a | b", "](javascript:x)", "![x](http://e)", "# h", "```", '"><img src=x>',
                     "https://e.example", "- x", "1. x", "\x1b]0;t\x07", "\n\n# forged", "&lt;", "<!--", "|---|"]),
)  # fmt: skip


def _report(words: str) -> Report:
    course = Course(metric=words, begin=0.0, step=1.0, buckets=((0.0, 1.0, 2.0, 3),), seen=3, low=0, mean=1, high=2)
    figure = Figure(course, words, 1.0, (Happened(0.5, "hold", words),), ((words, 1.0),))
    blocks = (Words(words), Listing((words, words)), table(("one", "two"), [("x" + words, "y" + words)]), figure)
    return Report(words, words, words, (Section("S" + words, blocks),))


@given(HOSTILE)
def test_whatever_a_record_says_is_text_in_the_page(words: str) -> None:
    plain = [tag for tag, _ in Page(html(_report("harmless"))).tags]
    assert [tag for tag, _ in Page(html(_report(words))).tags if tag != "text"] == [t for t in plain if t != "text"]


@given(HOSTILE)
def test_whatever_a_record_says_is_text_in_markdown(words: str) -> None:
    text = markdown(_report(words))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 3
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
    assert len([line for line in text.splitlines() if re.match(r"#{1,6} ", line)]) == 2
    assert not re.search(r"(?<!\\)<[a-z/!]", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert "\x1b" not in text


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=60), st.floats(0, 1e6))
def test_every_point_of_a_plot_lies_inside_and_gaps_stay_gaps(values: list[float | None], limit: float) -> None:
    buckets = tuple(None if v is None else (v, v, v, 1) for v in values)
    course = Course(metric="m", begin=1000.0, step=2.0, buckets=buckets, seen=sum(v is not None for v in values))
    drawn = svg(Figure(course, "ms", 1000.0 + 2.0 * len(values), (Happened(900.0, "go", "GO"),), (("limit", limit),)))
    for x, y in re.findall(r"(-?\d+\.\d),(-?\d+\.\d)", drawn):
        assert 0 <= float(x) <= WIDTH
        assert 0 <= float(y) <= HEIGHT
    runs = [part for part in "".join("." if v is None else "x" for v in values).split(".") if part]
    assert drawn.count("<polyline") + drawn.count("<circle") == len(runs)

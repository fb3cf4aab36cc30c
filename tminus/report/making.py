"""A report made of a record and, where it is at hand, the history of its metrics beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from metrics.history import HistoryError, Recording, history_path
from state.events import Event
from state.run import RunState
from tminus.client.course import Happened
from tminus.client.requests import ReadCourse
from tminus.engine.courses import MOST_METRICS, happened, read_courses
from tminus.report import evidence, overview
from tminus.report.course_of_events import timeline
from tminus.report.document import Figure, Listing, Report, Section, Words
from tminus.report.told import Told

_POINTS = 300
_WHEN = re.compile(r"^(?:>=|<=|>|<)\s*(\d+(?:\.\d+)?)\s*(%|ms|s)?$")
_IN_MS = {"ms": 1.0, "s": 1000.0}


def make(run: RunState, events: Sequence[Event], record: Path) -> Report:
    """The report of the RUN that EVENTS made, from the record at that path."""
    told = Told(run, events, record.name)
    word, sentence = overview.verdict_of(told)
    drawn, note = figures_of(told, history_path(record))
    head = events[-1].digest if events else ""
    verdict = f"{sentence} {len(events)} events, verified; the last one is {head[:16]}…"
    return Report(
        title=f"{run.meta.get('title', record.stem)}: report",
        verdict=verdict,
        word=word,
        sections=(
            overview.people(told),
            overview.figures(told),
            overview.eyes(told),
            overview.plan(told),
            timeline(told),
            *evidence.items(told),
            evidence.gates(told),
            evidence.metrics(told, drawn, note),
            evidence.data(told),
            evidence.waivers(told),
            evidence.sign_off(told),
            _verifying(told, head),
            *evidence.after(told),
        ),
    )


def _verifying(told: Told, head: str) -> Section:
    return Section(
        "How to verify this",
        (
            Words("This page says what the record says. Whether that is what it was, chain, seal and git say:"),
            Listing(
                (
                    f"tminus record verify {told.name}",
                    f"sha256 of the last event: {head}",
                    f"git log --follow -- {told.name}",
                )
            ),
        ),
    )


def figures_of(told: Told, history: Path) -> tuple[list[Figure], str]:
    """A plot of every metric that HISTORY holds, those of gates first; and what is missing, in words."""
    if told.ended is None or not history.is_file():
        return [], "The samples are not at hand (they lie beside the record and are not committed): no plots."
    try:
        with Recording(history) as recording:
            known = recording.metrics()
    except HistoryError as error:
        return [], f"The samples cannot be read: {error}"
    if not known:
        return [], "No sample was kept."
    gated = [line[1] for key, line in told.outline.items() if key.startswith("gate:") and len(line) > 3]
    names = [name for name in dict.fromkeys([*gated, *known]) if name in known]
    until = max(told.ended, *(one.last for one in known.values()))
    back = (until - min(one.first for one in known.values())).total_seconds()
    changes = {event.item for event in told.events if event.kind == "check.started" and event.data.get("plan")}
    marks = happened(told.events, changes)
    found, notes = [], []
    for start in range(0, len(names), MOST_METRICS):
        some = tuple(names[start : start + MOST_METRICS])
        courses = read_courses(history, ReadCourse(metrics=some, back=back, points=_POINTS), until, marks)
        found += [
            Figure(
                one,
                known[one.metric].unit,
                courses.until,
                _fewer(courses.events),
                _limits(told, one.metric, known[one.metric].unit),
            )
            for one in courses.courses
            if one.seen
        ]
        notes += [courses.note] if courses.note else []
    return found, "; ".join(dict.fromkeys(notes))


def _fewer(events: tuple[Happened, ...]) -> tuple[Happened, ...]:
    """What a plot of a whole run has room for: changes are left to the timeline when there are many."""
    return events if len(events) <= 20 else tuple(one for one in events if one.kind != "change")


def _limits(told: Told, metric: str, unit: str) -> tuple[tuple[str, float], ...]:
    """The thresholds of the gates over METRIC, in its UNIT; one that is relative to a baseline has no fixed place."""
    found = []
    for key, line in told.outline.items():
        if not key.startswith("gate:") or len(line) < 4 or line[1] != metric:
            continue
        said = _WHEN.match(line[3].strip())
        if said is not None:
            found.append((f"{key.removeprefix('gate:')} {line[3]}", _in(unit, float(said[1]), said[2] or "")))
    return tuple(found)


def _in(unit: str, value: float, said: str) -> float:
    if said == "%":
        return value / 100 if unit == "ratio" else value
    if said in _IN_MS and unit in _IN_MS:
        return value * _IN_MS[said] / _IN_MS[unit]
    return value

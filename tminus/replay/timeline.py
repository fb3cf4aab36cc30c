"""A tape as plain text: every event on a line, and what the metrics were up to each pause point. Pure but for
the history that is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from metrics.history import Merged, Recording
from metrics.samples import Measurement
from metrics.views import text_of
from state.clean import clean
from state.durations import format_duration
from state.events import Event
from tminus.replay.tape import Tape
from tminus.replay.words import big, told


def timeline(tape: Tape, recording: Recording | None) -> Iterator[str]:
    """The lines. Raises HistoryError."""
    run = tape.states[-1]
    rehearsal = " (rehearsal)" if run.meta.get("rehearsal") else ""
    yield f"{clean(str(run.meta.get('title', '')))}{rehearsal}: {len(tape.events)} events in {clean(tape.record)}"
    yield from (f"note: {clean(note)}" for note in tape.notes)
    since = tape.begin
    for event, at in zip(tape.events, tape.times, strict=True):
        mark = "*" if big(event) else " "
        actor = clean(event.actor)[:16]
        yield f"{event.seq:>5}{mark} {at:%Y-%m-%d %H:%M:%S}Z  {_t_clock(tape, at):>9}  {actor:<16}  {told(event)}"
        if event.kind == "phase.go" and recording is not None:
            yield from _between(tape, recording, since, at)
            since = at
        elif event.kind == "summary" and recording is None:
            yield from _summary(event)
    if recording is not None and tape.end > since:
        yield from _between(tape, recording, since, tape.end)


def _t_clock(tape: Tape, at: datetime) -> str:
    if tape.t0 is None:
        return ""
    seconds = (at - tape.t0).total_seconds()
    return f"T{'-' if seconds < 0 else '+'}{format_duration(abs(seconds))}"


def _between(tape: Tape, recording: Recording, since: datetime, until: datetime) -> Iterator[str]:
    known = recording.metrics()
    for name in [name for name in tape.shown if name in known] or known:
        one = recording.merged(name, since, until)
        if one.looks:
            yield f"{'':>7}{name:<28} {merged_text(name, one, until)}"


def merged_text(name: str, one: Merged, at: datetime) -> str:
    """ONE in words: a ratio of sums where there is one, else where the values lay; and how often one looked."""

    def text(value: float | None, unit: str = one.unit) -> str:
        return text_of(Measurement(name, value, 1, unit, at))

    looks = f"{one.seen:,} of {one.looks:,} looks had a value"
    if not one.seen:
        return f"no data ({looks})"
    parts = [f"{text(one.ratio, 'ratio')} ({one.bad:,.0f} of {one.volume:,})"] if one.ratio is not None else []
    parts.append(f"{text(one.low)} to {text(one.high)}, last {text(one.last)}")
    if one.latency is not None:
        parts.append(f"p95 {one.latency.text(95)}")
    return "; ".join([*parts, looks])


def _summary(event: Event) -> Iterator[str]:
    """What the record itself keeps, where there is no history."""
    metrics = event.data.get("metrics", {})
    for name, numbers in metrics.items() if isinstance(metrics, Mapping) else ():
        if isinstance(numbers, Mapping):
            yield f"{'':>7}{clean(str(name)):<28} {_numbers(numbers)}"


def _numbers(numbers: Mapping[str, Any]) -> str:
    return clean(", ".join(f"{key} {value}" for key, value in numbers.items() if key != "unit"))

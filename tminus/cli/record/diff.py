"""`tminus record diff`: two runs side by side, the rehearsal and the day."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import msgspec

from state.clean import clean
from state.differing import Differing, Figure, Lasted, Words, differing, number
from state.durations import format_duration, parse_duration
from state.run import RunState
from state.verdicts import Scalar
from tminus.cli.common import DOES_NOT_HOLD, HOLDS, UNUSABLE, end, json_option, read_past

WIDTH = 100
_NAME = 34
_CELL = 13
_SHOWN = 12  # rows of a list, for people
_NOTABLE = 1.0  # seconds by which a check took longer, for people


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--all", "whole", is_flag=True, help="Every difference, not the biggest ones of each kind alone.")
@json_option
def diff(a: Path, b: Path, whole: bool, as_json: bool) -> None:
    """Compare the run in record A with the one in record B: the rehearsal, and the day.

    Verdicts, gates, waivers, marks, rows, durations and metrics, the biggest differences first. Exit 0: the verdicts
    are the same. 1: they differ. 2: one of the records cannot be believed or read.
    """
    runs = _run(a), _run(b)
    found = differing(*runs, _planned(b, runs[1]) or _planned(a, runs[0]))
    if as_json:
        click.echo(msgspec.json.encode(_document(a.name, b.name, found)).decode())
    else:
        for line in lines((a.name, b.name), runs, found, whole=whole):
            click.echo(line)
    sys.exit(HOLDS if found.same_verdicts else DOES_NOT_HOLD)


def lines(
    names: tuple[str, str], runs: tuple[RunState, RunState], found: Differing, *, whole: bool = False
) -> Iterator[str]:
    """FOUND for people, no line longer than WIDTH."""
    for line in _lines(names, runs, found, None if whole else _SHOWN):
        yield _cut(line, WIDTH)


def _lines(
    names: tuple[str, str], runs: tuple[RunState, RunState], found: Differing, most: int | None
) -> Iterator[str]:
    for letter, name, run, holds in zip("AB", names, runs, found.holds, strict=True):
        what = "a rehearsal" if run.meta.get("rehearsal") else "for real"
        word = ", rolled back" if run.rollback_decided else ", closed" if run.closed else ""
        yield f"{letter}  {name}: {what}, {len(run.items)} items, {len(run.gone)} phases, {holds} holds{word}"
    yield ""
    yield "the verdicts are the same" if found.same_verdicts else "the verdicts differ"
    yield from _told("verdicts", found.verdicts, most)
    yield from _alone("only in A", found.only_a, runs[0], most)
    yield from _alone("only in B", found.only_b, runs[1], most)
    yield from _told("gates that tripped, and what was decided", found.gates, most)
    yield from _told("waivers", found.waivers, most)
    yield from _told("marks", found.marks, most)
    yield from _table("rows", [_figure(one) for one in found.rows], ("", "A", "B", "more in B"), most)
    yield from _table(
        "how long it took", [_time(one) for one in found.lasted], ("planned", "A", "B", "longer in B"), most
    )
    yield from _table("metrics", [_figure(one) for one in found.metrics], ("", "A", "B", "more in B"), most)


def _told(title: str, words: Iterable[Words], most: int | None) -> Iterator[str]:
    rows = [
        f"  {name:<{_NAME}} {side} {_one_line(text) or '—'}"
        for one in words
        for side, name, text in (("A", _cut(one.id, _NAME), one.a), ("B", "", one.b))
    ]
    yield from _listed(title, rows, most and most * 2, 2)


def _alone(title: str, ids: Iterable[str], run: RunState, most: int | None) -> Iterator[str]:
    def said(key: str) -> str:
        item = run.item(key)
        return str(item.outcome.verdict) if item.outcome else str(item.mark)

    yield from _listed(title, [f"  {_cut(key, _NAME):<{_NAME}} {said(key)}" for key in ids], most)


def _table(
    title: str, rows: list[tuple[str, str, str, str, str]], heads: tuple[str, ...], most: int | None
) -> Iterator[str]:
    def row(name: str, cells: Iterable[str]) -> str:
        return f"  {_cut(name, _NAME + 8):<{_NAME + 8}}" + "".join(f" {_cut(cell, _CELL):>{_CELL}}" for cell in cells)

    if rows:
        listed = [row(name, cells).rstrip() for name, *cells in rows]
        first, *rest = _listed(title, listed, most)
        yield first
        yield title + row("", heads)[len(title) :]
        yield from rest[1:]


def _listed(title: str, rows: list[str], most: int | None, each: int = 1) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield title
    yield from rows[:most]
    if most is not None and len(rows) > most:
        yield f"  … {(len(rows) - most) // each} more: --all"


def _time(one: Lasted) -> tuple[str, str, str, str, str]:
    gap = "" if one.a is None or one.b is None else f"{'+' if one.gap >= 0 else ''}{format_duration(one.gap)}"
    name = f"phase {one.id}" if one.kind == "phase" else one.id
    return (name, *("—" if value is None else format_duration(value) for value in (one.planned, one.a, one.b)), gap)  # type: ignore[return-value]


def _figure(one: Figure) -> tuple[str, str, str, str, str]:
    gap = ""
    a, b = number(one.a), number(one.b)
    if a is not None and b is not None:
        gap = _number(b - a, one.unit, sign=True)
    return f"{one.id}  {one.key}", "", _value(one.a, one.unit), _value(one.b, one.unit), gap


def _value(value: Scalar | None, unit: str) -> str:
    if value is None:
        return "—"
    known = number(value)
    return _one_line(str(value)) if known is None else _number(known, unit)


def _number(value: float, unit: str, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    if unit == "ratio":
        return f"{value * 100:{plus}.2f}%"
    text = f"{value:{plus},}" if isinstance(value, int) else f"{value:{plus},.2f}"
    return text + (unit if unit in ("ms", "s") else "")


def _one_line(text: str) -> str:
    return clean(" ".join(text.split()))


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _document(a: str, b: str, found: Differing) -> dict[str, Any]:
    return {"a": a, "b": b, "same_verdicts": found.same_verdicts, **msgspec.to_builtins(found)}


def _run(path: Path) -> RunState:
    from state.record import RecordError

    try:
        return read_past(path)[0]
    except RecordError as error:
        end(UNUSABLE, f"{error}\nSee: tminus record verify {path}")
    except OSError as error:
        end(UNUSABLE, f"{path.name}: {error.strerror}")


def _planned(record: Path, run: RunState) -> Mapping[str, float]:
    """The durations that the record's checklist plans, where it is there and can be read: of items, and of phases
    until the next one begins."""
    from state.definition import offset_seconds
    from state.loader import load_checklist
    from state.problems import ChecklistError
    from tminus.verifying import projects_of

    name = Path(str(run.meta.get("checklist", ""))).name
    path = projects_of(record, run)[0] / (name or "checklist.toml")
    try:
        checklist = load_checklist(path).checklist
    except (ChecklistError, OSError):
        return {}
    planned = {key: parse_duration(item.expect) for key, item in checklist.items.items() if item.expect}
    for phase, following in pairwise(phase for phase in checklist.phase if phase.branch == "main"):
        if phase.at and following.at:
            planned[f"phase:{phase.id}"] = offset_seconds(following.at) - offset_seconds(phase.at)
    return planned

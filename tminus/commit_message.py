"""The message of a record's commit: what the phase came to, so that `git log` tells the run. Pure.

Titles, reasons and what checks saw are data. Each stands on one line that begins with a dash, above the last
paragraph, which is the only place where git looks for trailers: no text can forge one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from state.clean import clean, shorten
from state.events import Event, left_open
from state.run import RunState
from state.verdicts import Mark, Verdict

_SUBJECT = 72  # characters, as git log and GitHub show them
_LINE = 160
_LISTED = 20  # lines under a heading
_NO_PERSON = ("check", "engine")  # how the origin begins of what checks and the engine themselves recorded


def commit_message(run: RunState, events: Sequence[Event], name: str, *, extra: str = "") -> str:
    """The message for the record called NAME, of which RUN and EVENTS are what it holds. EXTRA is the committer's."""
    left = left_open(events)
    paragraphs = [subject(run, left), "\n".join(_figures(run, events))]
    parts = [("Left open when it was closed", left), *_parts(run)]
    paragraphs += [_listed(heading, rows) for heading, rows in parts if rows]
    if words := "\n".join(filter(None, (clean(line).strip() for line in extra.splitlines()))):
        paragraphs.append(words)
    return "\n\n".join([*paragraphs, _trailers(events, name)]) + "\n"


def subject(run: RunState, left: Sequence[str] = ()) -> str:
    """The first line: of what, how far, and how it stands. LEFT is what was open when the run was closed.

    >>> subject(RunState(meta={"title": "PostgreSQL migration"}, gone={"pre": "2026-11-20T20:00:00.000Z"}))
    'Record of PostgreSQL migration: phase pre passed, GO'
    """
    said = f"{_how_far(run, len(left))}, {_word(run, len(left))}"
    what = "Rehearsal record of" if run.meta.get("rehearsal") else "Record of"
    title = clean(" ".join(str(run.meta.get("title", "")).split())) or "a run"
    room = max(_SUBJECT - len(what) - len(said) - 3, 16)
    return f"{what} {title if len(title) <= room else title[: room - 1] + '…'}: {said}"


def _how_far(run: RunState, left: int) -> str:
    if run.closed:
        return f"closed with {left} open" if left else "signed off"
    if not run.gone:
        return "begun"
    return f"phase {clean(next(reversed(list(run.gone))))} passed"


def _word(run: RunState, left: int) -> str:
    if run.rollback_decided:
        return "ROLL BACK"
    if run.open_holds or any(gate.asks for gate in run.gates.values()):
        return "HOLD"
    return "GO" if run.gone and not left else "NO-GO"


def _figures(run: RunState, events: Sequence[Event]) -> Iterator[str]:
    verdicts = Counter(item.outcome.verdict for item in run.items.values() if item.outcome is not None)
    marks: Counter[Mark] = Counter(item.mark for item in run.items.values() if item.mark is not Mark.OPEN)
    if run.meta.get("rehearsal"):
        yield "A rehearsal: nothing of it was done to the real system."
    yield f"Verdicts: {_counted(verdicts, Verdict) or 'none yet'}"
    yield f"Marks: {_counted(marks, Mark) or 'none yet'}"
    yield f"By: {', '.join(_people(events)) or 'nobody yet'}"


def _counted(counts: Counter[Verdict] | Counter[Mark], order: type[Verdict] | type[Mark]) -> str:
    return ", ".join(f"{counts[one]} {one}" for one in order if counts[one])  # type: ignore[index]


def _people(events: Sequence[Event]) -> Iterator[str]:
    """Who acted, with the uid that the kernel vouched for; the first to act first."""
    for actor, uid in dict.fromkeys(
        (event.actor, event.uid) for event in events if not event.origin.startswith(_NO_PERSON)
    ):
        yield f"{_said(actor)} (uid {uid})"


def _parts(run: RunState) -> Iterator[tuple[str, list[str]]]:
    items = run.items.items()
    yield (
        "Waived, skipped or left out",
        [
            f"{key}: {item.mark} by {' and '.join(said.actor for said in item.confirmations)}: {item.reason}"
            + (f" (until {item.waiver_until})" if item.waiver_until else "")
            for key, item in items
            if item.mark in (Mark.WAIVED, Mark.SKIPPED, Mark.NOT_APPLICABLE)
        ],
    )
    yield (
        "Not green",
        [
            f"{key}: {item.outcome.verdict}: {item.outcome.actual}"
            for key, item in items
            if item.outcome is not None and item.outcome.verdict is not Verdict.PASS
        ]
        + [f"{key}: marked failed: {item.reason}" for key, item in items if item.mark is Mark.FAILED],
    )
    yield (
        "Signed",
        [f"{key}: {said.role}: {said.said_by}" for key, item in items for said in item.confirmations if said.role],
    )
    yield (
        "Holds",
        [
            f"{hold.actor}: {hold.reason} "
            + (f"(released by {hold.released_by})" if hold.released_at else "(not released)")
            for hold in run.holds
        ],
    )
    yield (
        "Gates",
        [
            f"{key}: tripped {gate.trips}×, {gate.decision or 'nobody has decided'}"
            + (f" by {gate.decided_by}: {gate.decided_because}" if gate.decision else f": {gate.why}")
            for key, gate in run.gates.items()
            if gate.trips or gate.decision or gate.asks
        ],
    )


def _listed(heading: str, rows: Sequence[str]) -> str:
    more = [f"- and {len(rows) - _LISTED} more, in the record"] if len(rows) > _LISTED else []
    return "\n".join([f"{heading}:", *(f"- {_said(row)}" for row in rows[:_LISTED]), *more])


def _said(text: str) -> str:
    return shorten(clean(" ".join(text.split())), _LINE)


def _trailers(events: Sequence[Event], name: str) -> str:
    head = events[-1].digest if events else "none"
    return f"Record: {clean(name)}\nRecord-Events: {len(events)}\nRecord-Head: {head}"

"""The first sections of a report: how it ended, who took part, the key figures, and what needs eyes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from state.events import left_open
from state.run import ItemState
from state.verdicts import Mark, Verdict
from tminus.report.document import Listing, Section, Table, table
from tminus.report.told import Told, moment, offset_text, shown, span


def verdict_of(told: Told) -> tuple[str, str]:
    """(the word, the sentence) of how the run ended."""
    run = told.run
    kind = " This was a rehearsal: nothing of it was done to the real system." if told.meta.get("rehearsal") else ""
    if run.rollback_decided:
        word = "ROLLED BACK" if run.closed else "ROLLING BACK"
        return word, f"{_decided(told)}.{kind}"
    if run.closed:
        left = left_open(told.events)
        what = f"The run is closed with {len(left)} open items: {', '.join(left)}." if left else "The run is closed."
        return ("GO" if not left else "CLOSED, NOT DONE"), what + kind
    if run.open_holds:
        hold = run.open_holds[0]
        return "HELD", f"Held by {hold.actor}: {hold.reason}. The run is not closed.{kind}"
    return "OPEN", f"The run is not closed: it was still under way when this was written.{kind}"


def _decided(told: Told) -> str:
    found = [(key, gate) for key, gate in told.run.gates.items() if gate.decision == "roll-back"]
    if not found:
        return "The rollback was decided"
    key, gate = found[-1]
    return f"The rollback was decided by {gate.decided_by} when {key} tripped: {gate.decided_because}"


def people(told: Told) -> Section:
    """Who drove, who acted, and who signed."""
    acted: dict[tuple[str, int, str, str], list[str]] = {}
    for event in told.events:
        if event.origin != "check" and not event.origin.startswith("engine of"):
            acted.setdefault((event.actor, event.uid, event.login, event.origin), []).append(event.kind)
    rows = [(name, login, uid, origin, len(kinds)) for (name, uid, login, origin), kinds in acted.items()]
    drove = [
        (
            shown(moment(event.utc)),
            told.clock(moment(event.utc)),
            event.to or event.actor,
            event.reason or _how(event.kind),
        )
        for event in told.events
        if event.kind in ("lease.taken", "lease.granted")
    ]
    signed = [
        (said.role, said.said_by, shown(moment(said.utc)))
        for item in told.run.items.values()
        for said in item.confirmations
        if said.role
    ]
    named = told.meta.get("people", {})
    contacts = [(role, name) for role, name in named.items()] if isinstance(named, dict) else []
    return Section(
        "People",
        (
            table(("name", "login", "uid", "from", "acts"), rows, "Nobody did anything."),
            table(("UTC", "T", "drove", "how it came about"), drove, "Nobody drove."),
            table(("role", "signed by", "UTC"), signed, "No role signed."),
            *([table(("role", "person, as the checklist says"), contacts)] if contacts else []),
        ),
    )


def _how(kind: str) -> str:
    return "handed over" if kind == "lease.granted" else ""


def figures(told: Told) -> Section:
    """The run in numbers."""
    run, items = told.run, told.run.items.values()
    marks = Counter(str(item.mark) for item in items if item.mark is not Mark.OPEN)
    verdicts = Counter(str(item.outcome.verdict) for item in items if item.outcome is not None)
    looks = [event for event in told.events if event.kind == "check.finished"]
    bad = [event for event in looks if event.to not in ("pass", "warn")]
    took = (told.ended - told.began).total_seconds() if told.began and told.ended else None
    rows: list[tuple[str, object]] = [
        ("T0", shown(told.t0)),
        ("began", shown(told.began)),
        ("last event", shown(told.ended)),
        ("took", span(took) if took is not None else ""),
        ("items touched", f"{len(items)} of {sum(1 for key in told.outline if ':' not in key)}"),
        ("verdicts", _counted(verdicts)),
        ("marks", _counted(marks)),
        ("looks", f"{len(looks)}, of which {len(bad)} did not pass" if looks else "none"),
        ("holds", len(run.holds) or "none"),
        ("gates that tripped", ", ".join(f"{k} ({g.trips}×)" for k, g in run.gates.items() if g.trips) or "none"),
        ("challenges", len(run.crew.challenges) or "none"),
        ("rows proven", _rows(told)),
        ("commit of the project", told.meta.get("git_commit", "")),
        ("checklist", f"{told.meta.get('checklist', '')}, sha256 {told.meta.get('checklist_sha256', '')}"),
        ("written by", told.meta.get("tool", "")),
    ]
    return Section(
        "Key figures", (Table(("what", "is"), tuple((a, str(b)) for a, b in rows if b not in ("", None))),)
    )


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counts.most_common()) or "none"


def _rows(told: Told) -> str:
    """The largest number of rows that a comparison of contents called equal."""
    found = [
        (int(item.outcome.evidence["rows"]), key)
        for key, item in told.run.items.items()
        if item.outcome is not None
        and item.outcome.verdict is Verdict.PASS
        and told.check_of(key) in ("transfer.copy", "transfer.compare")
        and isinstance(item.outcome.evidence.get("rows"), int)
    ]
    return f"{max(found)[0]:,} (item {max(found)[1]})" if found else "none: no comparison of contents passed"


def eyes(told: Told) -> Section:
    """Everything that was not simply done, by name."""
    run = told.run
    lines: list[str] = []
    for title, picks, tells in _KINDS:
        named = [
            f"{title}: {told.text(key)} ({key}){tells(told, key, item)}"
            for key, item in run.items.items()
            if picks(told, key, item)
        ]
        lines += named
    lines += [f"open: {told.text(key)} ({key})" for key in left_open(told.events)]
    left_out = told.meta.get("left_out", {})
    lines += (
        [f"left out: {told.text(key)} ({key}): {why}" for key, why in left_out.items()]
        if isinstance(left_out, dict)
        else []
    )
    lines += [
        f"challenge without an answer: {one.actor} on {one.item or 'the run'}: {one.text}"
        for one in run.crew.open_challenges
    ]
    lines += [
        f"hold {hold.id} by {hold.actor}: {hold.reason}"
        + (f", released by {hold.released_by}" if hold.released_at else ", NOT released")
        for hold in run.holds
    ]
    lines += [f"the checklist changed during the run: {len(drift.get('changes', []))} lines" for drift in run.drift]
    lines += list(_interrupted(told))
    return Section("What needs eyes", (Listing(tuple(lines), "Nothing: every item was simply done."),))


def _interrupted(told: Told) -> Iterator[str]:
    count = sum(event.kind == "engine.started" and event.to == "resumed" for event in told.events)
    if count:
        yield f"the engine was started again {count} time{'s' if count > 1 else ''} during the run"


_Picks = Callable[[Told, str, ItemState], bool]
_Tells = Callable[[Told, str, ItemState], str]


def _marked(mark: Mark) -> _Picks:
    return lambda _told, _key, item: item.mark is mark


def _seen(*verdicts: Verdict) -> _Picks:
    return lambda _told, _key, item: item.outcome is not None and item.outcome.verdict in verdicts


def _reason(_told: Told, _key: str, item: ItemState) -> str:
    who = " and ".join(said.said_by for said in item.confirmations)
    until = f", until {item.waiver_until}" if item.waiver_until else ""
    return f": {item.reason} ({who}{until})"


def _actual(_told: Told, _key: str, item: ItemState) -> str:
    return f": {item.outcome.actual}" if item.outcome is not None and item.outcome.actual else ""


def _time(told: Told, key: str, item: ItemState) -> str:
    return f": took {span(item.seconds)}, planned {span(told.expected(key) or 0)}"


_KINDS: tuple[tuple[str, _Picks, _Tells], ...] = (
    ("marked failed", _marked(Mark.FAILED), _reason),
    ("waived", _marked(Mark.WAIVED), _reason),
    ("skipped", _marked(Mark.SKIPPED), _reason),
    ("not applicable", _marked(Mark.NOT_APPLICABLE), _reason),
    ("failed at the last look", _seen(Verdict.FAIL), _actual),
    ("nobody knows", _seen(Verdict.ERROR, Verdict.UNKNOWN, Verdict.STALE), _actual),
    ("interrupted", lambda _told, _key, item: item.status != "idle", lambda _told, _key, _item: ""),
    ("a warning", _seen(Verdict.WARN), _actual),
    ("late", lambda told, key, item: told.is_late(key, item), _time),
)


def plan(told: Told) -> Section:
    """Each phase as planned and as it was."""
    rows = []
    for phase in told.phases.values():
        items = told.items_of(phase.id)
        began = min((at for _, item in items if (at := moment(item.touched_at))), default=None)
        passed = moment(told.run.gone.get(phase.id, ""))
        late = ""
        if phase.offset is not None and began is not None and told.t0 is not None:
            off = (began - told.t0).total_seconds() - phase.offset
            late = "on time" if abs(off) < 60 else f"{span(abs(off))} {'late' if off > 0 else 'early'}"
        took = span((passed - began).total_seconds()) if began and passed and passed >= began else ""
        planned = "" if phase.offset is None else offset_text(phase.offset)
        title = phase.title + (" (rollback)" if phase.branch == "rollback" else "")
        rows.append((title, planned, told.clock(began), late, told.clock(passed) or "not passed", took, len(items)))
    head = ("phase", "planned start", "began", "deviation", "pause point passed", "took", "items touched")
    return Section("Phases: planned and actual", (table(head, rows, "The record names no phase."),))

"""The later sections: items with their evidence, gates, metrics, the data, signatures, and what comes after. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metrics.views import value_text
from state.events import Event
from state.run import ItemState
from state.verdicts import Mark, Verdict
from tminus.report.document import Block, Figure, Listing, Section, Table, Words, table
from tminus.report.told import Told, moment, shown, span

_PROOFS = ("rows", "tables", "digest", "sha256", "rejected", "file", "backup", "sequences")


def items(told: Told) -> list[Section]:
    """Every item that something happened to, by phase."""
    found = [Section("Items", (Words("Every item that something happened to, in the order of the checklist."),))]
    known = {key for phase in told.phases for key, _ in told.items_of(phase)}
    for phase in told.phases.values():
        rows = [_item_row(told, key, item) for key, item in told.items_of(phase.id)]
        if rows:
            found.append(Section(phase.title, (table(_ITEM_HEAD, rows),), level=3))
    strange = [_item_row(told, key, item) for key, item in told.run.items.items() if key not in known]
    if strange:
        found.append(Section("Of no phase that the record names", (table(_ITEM_HEAD, strange),), level=3))
    return found


_ITEM_HEAD = ("item", "verdict", "expected", "actual", "mark", "by", "at", "took", "evidence")


def _item_row(told: Told, key: str, item: ItemState) -> tuple[str, ...]:
    outcome = item.outcome
    planned = told.expected(key)
    took = span(item.seconds) if item.seconds else ""
    if took and planned:
        took += f" of {span(planned)}" + (" LATE" if told.is_late(key, item) else "")
    mark = "" if item.mark is Mark.OPEN else str(item.mark)
    by = "; ".join(f"{said.role}: {said.said_by}" if said.role else said.said_by for said in item.confirmations)
    facts = [f"{name} = {value}" for name, value in (outcome.evidence if outcome else {}).items()]
    facts += [f"value = {item.value}"] if item.value else []
    facts += [f"round {number} done {one.utc}" for number, one in enumerate(item.rounds, 1)]
    return (
        f"{told.text(key)} ({key})",
        str(outcome.verdict) if outcome else item.status if item.status != "idle" else "",
        outcome.expected if outcome else "",
        outcome.actual if outcome else "",
        mark + (f": {item.reason}" if item.reason and mark else ""),
        by,
        shown(moment(item.marked_at)) if mark else shown(outcome.observed_at) if outcome else "",
        took,
        "; ".join(facts),
    )


def gates(told: Told) -> Section:
    """The gates, their last state with its numbers, and what was decided."""
    rows = [
        (
            _gate_text(told, key),
            gate.state if gate.armed else f"{gate.state}, disarmed" if gate.state != "unarmed" else "not armed",
            f"{gate.trips}×" if gate.trips else "",
            gate.why,
            f"{gate.decision} by {gate.decided_by}: {gate.decided_because}" if gate.decision else "",
        )
        for key, gate in told.run.gates.items()
    ]
    changes = [
        (event.seq, shown(moment(event.utc)), told.clock(moment(event.utc)), event.item, event.to, event.reason)
        for event in told.events
        if event.kind in ("gate.changed", "gate.decided")
        and (event.to in ("tripped", "blind") or event.kind == "gate.decided")
    ]
    return Section(
        "Gates and decisions",
        (
            table(("gate", "state at the end", "trips", "why", "decision"), rows, "No gate was armed."),
            table(("event", "UTC", "T", "gate", "became", "why, with its numbers"), changes, "No gate tripped."),
        ),
    )


def _gate_text(told: Told, key: str) -> str:
    line = told.outline.get(f"gate:{key}", [])
    return f"{line[0]} ({key})" if line else key


def metrics(told: Told, drawn: Sequence[Figure], note: str) -> Section:
    """The live metrics: the plots where the history is at hand, and the numbers that the record itself keeps."""
    blocks: list[Block] = [Words(note)] if note else []
    blocks += drawn
    rows = [
        (phase, metric, *_numbers(numbers))
        for summary in told.run.summaries
        for phase, metric, numbers in _summed(summary)
    ]
    head = ("up to the pause point of", "metric", "lowest", "highest", "last", "over all", "looks with a value")
    blocks.append(table(head, rows, "The record keeps no summary of a metric."))
    return Section("Metrics", tuple(blocks))


def _summed(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    known = summary.get("metrics", {})
    for metric, numbers in known.items() if isinstance(known, Mapping) else ():
        if isinstance(numbers, Mapping):
            yield str(summary.get("phase", "")), str(metric), numbers


def _numbers(numbers: Mapping[str, Any]) -> tuple[str, ...]:
    unit = str(numbers.get("unit", ""))

    def text(name: str) -> str:
        value = numbers.get(name)
        return value_text(float(value), unit) if isinstance(value, int | float) else ""

    ratio = f"{text('ratio')} ({numbers.get('bad')} of {numbers.get('of')})" if "ratio" in numbers else ""
    return text("low"), text("high"), text("last"), ratio, f"{numbers.get('seen', 0)} of {numbers.get('looks', 0)}"


def data(told: Told) -> Section:
    """What is known of the data that was moved: rows, digests, what was left out."""
    rows = [
        (f"{told.text(key)} ({key})", str(item.outcome.verdict), item.outcome.actual, _proof(item))
        for key, item in told.run.items.items()
        if item.outcome is not None
        and any(name.startswith(("rows", "digest", "sha256")) for name in item.outcome.evidence)
    ]
    return Section("The data", (table(("item", "verdict", "seen", "proof"), rows, "No item speaks of data."),))


def _proof(item: ItemState) -> str:
    found = item.outcome.evidence if item.outcome is not None else {}
    return "; ".join(f"{key} = {value}" for key, value in found.items() if key.startswith(_PROOFS))


def waivers(told: Told) -> Section:
    """What was overridden, by whom, why, and until when."""
    rows = [
        (
            f"{told.text(key)} ({key})",
            str(item.mark),
            item.reason,
            " and ".join(c.said_by for c in item.confirmations),
            item.waiver_until,
        )
        for key, item in told.run.items.items()
        if item.mark.needs_reason
    ]
    return Section(
        "Waivers and other overrides",
        (table(("item", "mark", "reason", "by", "until"), rows, "Nothing was overridden."),),
    )


def sign_off(told: Told) -> Section:
    """Who signed, and what stood above the line."""
    rows, above = [], []
    taken_back = _taken_back(told.events)
    for event in told.events:
        if event.kind != "mark" or not event.data.get("role"):
            continue
        signer = str(event.data.get("signer", ""))
        name = f"{signer} (attested by {event.actor})" if signer else event.actor
        back = shown(moment(taken_back.get(event.seq, "")))
        rows.append((str(event.data["role"]), name, event.uid, event.login, shown(moment(event.utc)), back))
        line = event.data.get("above", {})
        above = [f"{kind}: {ids}" for kind, ids in line.items()] if isinstance(line, dict) else []
    head = ("role", "signed by", "uid", "login", "UTC", "taken back")
    blocks: list[Block] = [table(head, rows, "Nobody signed.")]
    if rows:
        blocks.append(Listing(("Above the line:", *above) if above else (), "Nothing stood above the line."))
    return Section("Sign-off", tuple(blocks))


def _taken_back(events: Sequence[Event]) -> dict[int, str]:
    """When a signature ceased to stand, because the item that was signed was marked otherwise: event → UTC."""
    back: dict[int, str] = {}
    standing: dict[str, list[int]] = {}
    for event in events:
        if event.kind == "mark" and event.to != "confirmed":
            back.update(dict.fromkeys(standing.pop(event.item, ()), event.utc))
        elif event.kind == "mark" and event.data.get("role"):
            standing.setdefault(event.item, []).append(event.seq)
    return back


def after(told: Told) -> list[Section]:
    """The skeleton of a post-mortem, with what the record knows; the rest is for people."""
    run = told.run
    passed = sum(1 for item in run.items.values() if item.outcome and item.outcome.verdict is Verdict.PASS)
    good = [f"{passed} checks passed at the last look"]
    good += [] if any(gate.trips for gate in run.gates.values()) else ["no gate tripped"]
    good += [] if run.holds else ["nobody had to hold"]
    bad = [f"{key} tripped: {gate.why}" for key, gate in run.gates.items() if gate.trips]
    bad += [f"held by {hold.actor}: {hold.reason}" for hold in run.holds]
    tries = {key: sum(look.verdict not in ("pass", "warn") for look in item.looks) for key, item in run.items.items()}
    bad += [
        f"{told.text(key)} ({key}) did not pass {count} time{'s' if count > 1 else ''}"
        for key, count in tries.items()
        if count
    ]
    bad += [
        f"{told.text(key)} ({key}) took {span(item.seconds)}, planned {span(told.expected(key) or 0)}"
        for key, item in run.items.items()
        if told.is_late(key, item)
    ]
    return [
        Section("Afterwards", (Words("Filled with what the record knows; people write the rest."),)),
        Section("What went well", (Listing(tuple(good)),), level=3),
        Section("What did not", (Listing(tuple(bad), "Nothing that the record knows of."),), level=3),
        Section("Actions", (Table(("action", "who", "until"), (("", "", ""),)),), level=3),
    ]

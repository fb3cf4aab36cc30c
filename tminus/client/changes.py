"""What changed between two views, a line each: for screen readers, pipes and phones. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from state.clean import clean
from tminus.client.messages import ItemFace, ItemView, View
from tminus.client.people import Presence
from tminus.client.readback import said_by


class Change(msgspec.Struct, frozen=True):
    """One thing that changed: its `kind` in a word, which one (empty: there is but one), and `words` for it.

    >>> str(Change("verdict", "", "GO, was NO-GO")), str(Change("item", "push", "pass, settled"))
    ('verdict: GO, was NO-GO', 'item push: pass, settled')
    """

    kind: str
    id: str
    words: str

    def __str__(self) -> str:
        return clean(f"{self.kind}{f' {self.id}' if self.id else ''}: {self.words}")


def changes(before: View, after: View) -> list[Change]:
    """What is not in AFTER as it was BEFORE, the gravest first; nothing for what a person need not hear.

    Metrics are told only when their status changes. What came and went between the two views is not in it.

    >>> from tminus.client.messages import StandingView
    >>> [str(one) for one in changes(View(), View(standing=StandingView(go="GO")))]
    ['verdict: GO, was NO-GO']
    >>> changes(View(), View())
    []
    """
    gates, items = list(_gates(before, after)), list(_items(before, after))
    return [
        *_run(before, after),
        *_holds(before, after),
        *_verdict(before, after),
        *gates,
        *_crew(before, after),
        *_phases(before, after),
        *items,
        *_blockers(before, after, {(one.kind, one.id) for one in (*gates, *items)}),
        *_metrics(before, after),
        *_people(before, after),
    ]


def _run(before: View, after: View) -> Iterator[Change]:
    was, now = before.run, after.run
    if now.trouble != was.trouble:
        yield Change("trouble", "", now.trouble or "over")
    if now.driver != was.driver or now.driver_uid != was.driver_uid:
        yield Change("driver", "", f"{now.driver or 'nobody'}, was {was.driver or 'nobody'}")
    if now.complete and not was.complete:
        yield Change("run", "", "every phase is passed")
    if now.closed and not was.closed:
        yield Change("run", "", "closed")


def _holds(before: View, after: View) -> Iterator[Change]:
    was, now = {hold.id: hold for hold in before.holds}, {hold.id: hold for hold in after.holds}
    for number in sorted(now.keys() - was.keys()):
        yield Change("hold", str(number), f"by {now[number].actor}: {now[number].reason}")
    for number in sorted(was.keys() - now.keys()):
        yield Change("hold", str(number), f"released; it was: {was[number].reason}")


def _verdict(before: View, after: View) -> Iterator[Change]:
    if after.standing.go != before.standing.go:
        yield Change("verdict", "", f"{after.standing.go}, was {before.standing.go}")


def _gates(before: View, after: View) -> Iterator[Change]:
    for name, now in after.gates.items():
        was = before.gates.get(name)
        if was is None:
            continue
        if now.state != was.state:
            yield Change("gate", name, f"{now.state}, was {was.state}{f': {now.why}' if now.why else ''}")
        if now.asks and not was.asks:
            yield Change("gate", name, "waits for a decision: roll-back, continue or extend")
        if now.decision and now.decision != was.decision:
            yield Change("gate", name, f"decided: {now.decision}")
        if now.flapping != was.flapping:
            yield Change("gate", name, "flapping" if now.flapping else "flaps no longer")


def _crew(before: View, after: View) -> Iterator[Change]:
    was, now = before.crew, after.crew
    for ask in now.asking:
        if ask not in was.asking:
            yield Change("control", "", f"{ask.actor} asks for it{f': {ask.reason}' if ask.reason else ''}")
    for ask in was.asking:
        if all(ask.uid != one.uid for one in now.asking):
            yield Change("control", "", f"{ask.actor} asks no longer")
    if now.call != was.call:
        yield _call(before, after)
    for one in now.challenges:
        if all(one.id != other.id for other in was.challenges):
            yield Change("challenge", str(one.id), f"by {one.actor} on {one.item or 'the run'}: {one.text}")
    for one in was.challenges:
        if all(one.id != other.id for other in now.challenges):
            yield Change("challenge", str(one.id), f"answered; it was: {one.text}")
    # Of a driver who flies by commands, each would be a going and a coming.
    if (there := _drivers_screen(after)) != _drivers_screen(before) and after.run.driver_uid == before.run.driver_uid:
        yield Change("driver", "", f"{after.run.driver} {'is here again' if there else 'has no screen open'}")


def _drivers_screen(view: View) -> bool:
    return any(uid == view.run.driver_uid for uid, *_ in _here(view))


def _call(before: View, after: View) -> Change:
    was, now = before.crew.call, after.crew.call
    if now is None:
        assert was is not None
        passed = was.kind == "phase" and was.id in after.gone
        return Change("call", was.id, "agreed" if passed else "over")
    if now.agreed_by:
        return Change("call", now.id, f"{now.agreed_by} agrees")
    what = "GO" if now.kind == "phase" else "cross the point of no return"
    return Change("call", now.id, f"{now.actor} says {what}; a second person is to agree")


def _phases(before: View, after: View) -> Iterator[Change]:
    titles = {phase.id: phase.title for phase in after.phases}
    for name in after.gone:
        if name not in before.gone:
            yield Change("phase", name, f"passed, {titles.get(name, '')}")
    if (now := after.standing.phase) != before.standing.phase:
        against = len(after.standing.blockers)
        yield Change("phase", now, f"is now the current one, {against} against GO, {titles.get(now, '')}")


def _items(before: View, after: View) -> Iterator[Change]:
    faces = {face.id: face for phase in after.phases for face in phase.items}
    for name, now in after.items.items():
        was = before.items.get(name)
        # Most items are the same object in both: nothing of them is worked out.
        if was is None or was is now or name not in faces:
            continue
        if words := _item(faces[name], was, now):
            yield Change("item", name, words)


def _item(face: ItemFace, was: ItemView, now: ItemView) -> str:
    changing = face.effect == "change"  # of what only looks, it is enough to hear what it saw
    if now.status == "running":
        return "running" if changing and was.status != "running" else ""
    parts = []
    if now.verdict != was.verdict or (changing and was.status == "running"):
        parts.append(now.verdict or "no verdict")
    if now.status not in (was.status, "idle"):
        parts.append(now.status)
    if now.mark != was.mark:
        who = f" by {said_by(now)}" if now.said else ""
        parts.append(("open again" if now.mark == "open" else now.mark) + who)
    elif len(now.said) > len(was.said):
        parts.append(f"{now.mark} by {said_by(now)}")
    if now.settled != was.settled:
        parts.append("settled" if now.settled else f"not settled: {now.why_open}")
    if parts and now.verdict not in ("", "pass") and now.verdict != was.verdict and now.actual:
        parts.append(now.actual)
    return ", ".join(parts)


def _blockers(before: View, after: View, told: set[tuple[str, str]]) -> Iterator[Change]:
    """Blockers that came and went, but for those that a line TOLD of already, and for the many of a new phase."""
    if after.standing.phase != before.standing.phase:
        return
    was = {(one.kind, one.id) for one in before.standing.blockers}
    now = {(one.kind, one.id): one.why for one in after.standing.blockers}
    for kind, name in sorted(now.keys() ^ was):
        if kind in ("hold", "challenge") or (kind, name) in told:
            continue
        # Why a gate stands against GO is in the line of its state.
        why = f": {now[kind, name]}" if (kind, name) in now and kind != "gate" else ""
        against = "stands against GO" if (kind, name) in now else "no longer stands against GO"
        yield Change(kind, name, f"{against}{why}")


def _metrics(before: View, after: View) -> Iterator[Change]:
    for name, now in after.metrics.items():
        was = before.metrics.get(name)
        if was is not None and now.status != was.status:
            yield Change("metric", now.label, f"{now.status}, was {was.status}: {now.text or 'no data'}")


def _people(before: View, after: View) -> Iterator[Change]:
    was, now = _here(before), _here(after)
    for person in sorted(now.keys() - was.keys()):
        yield Change("people", "", f"{now[person].name} is here ({now[person].kind})")
    for person in sorted(was.keys() - now.keys()):
        yield Change("people", "", f"{was[person].name} has left ({was[person].kind})")


def _here(view: View) -> dict[tuple[int, str, str], Presence]:
    """Who has a screen open; a command is here for a moment only."""
    return {(one.uid, one.name, one.kind): one for one in view.run.people if one.kind != "command"}

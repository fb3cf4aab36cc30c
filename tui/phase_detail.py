"""A phase as the detail shows it: how far it is, how it is done, its times, and what stands against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from state.durations import format_duration
from tminus.client.messages import PhaseFace
from tui.clock import clock
from tui.evidence import stacked
from tui.glyphs import SIGNS, state_of
from tui.guide import next_in
from tui.lines import Line, Span, fit, flowed, pad, plain, wrapped
from tui.scene import Scene
from tui.schedule import Slot, schedule
from tui.sparkline import bar


def phase_lines(scene: Scene, width: int) -> list[Line]:
    """The phase under the cursor of SCENE, or the current one, at WIDTH."""
    phase = scene.phase_named(scene.phase_focus) or scene.phase
    if phase is None:
        return [(("waiting for the engine", "dim"),)]
    return stacked(
        [
            _head(phase, scene, width),
            _progress(phase, scene, width),
            time_lines(phase, scene, width),
            _against(phase, scene, width),
            _steps(phase, scene, width),
        ]
    )


def _head(phase: PhaseFace, scene: Scene, width: int) -> list[Line]:
    where = "passed" if phase.id in scene.view.gone else "now" if phase.id == scene.view.standing.phase else "ahead"
    if phase.branch == "rollback":
        where = f"rollback, {where}"
    facts = [(plain(phase.at), "dim"), (plain(phase.mode), "info"), (where, "dim")]
    lines = wrapped(phase.title, width, "head")
    lines += flowed([(fact,) for fact in facts if fact[0]], width)
    return [*lines, *wrapped(_how(phase, scene), width)]


def _how(phase: PhaseFace, scene: Scene) -> str:
    go = scene.key("go")
    two = " It takes two: the driver says GO, then a second person." if phase.pair else ""
    if phase.mode != "read-do":
        return f"Any order. At the end {go} reads all of it back and passes the pause point.{two}"
    stop = next_in(scene.view, phase)
    following = f" The next is: {scene.faces[stop].text}" if stop and phase.id not in scene.view.gone else ""
    return f"In this order, each item after the one before; {go} passes the pause point.{two}{following}"


def _progress(phase: PhaseFace, scene: Scene, width: int) -> list[Line]:
    counts = Counter(state_of(face, scene.state(face.id)) for face in phase.items)
    total = len(phase.items)
    settled = sum(scene.state(face.id).settled for face in phase.items)
    tail = f" {settled} of {total} settled"
    style = "good" if settled == total else "info"
    lines: list[Line] = [
        (*bar(settled / total if total else 0.0, max(min(width - len(tail), 40), 4), scene.glyphs, style), (tail, ""))
    ]
    parts: list[Sequence[Span]] = []
    for state, sign in SIGNS.items():
        if counts[state]:
            parts.append(((f"{scene.glyphs.mark(sign)} {counts[state]} {sign.word}", sign.style),))
    return [*lines, *flowed(parts, width)]


def time_lines(phase: PhaseFace, scene: Scene, width: int) -> list[Line]:
    """The times of PHASE: planned and real, how late it is, how long it takes, and when it will be over."""
    slot = schedule(scene.view, scene.now).get(phase.id)
    if slot is None:
        return []
    rows: list[tuple[str, str, str]] = []
    if slot.planned is not None:
        rows.append(("planned", _wall(slot.planned, scene.now), ""))
    if slot.begins is not None:
        word = "began" if slot.begun else "begins"
        rows.append((word, _wall(slot.begins, scene.now), _drift(slot)))
    if slot.ends is not None and (slot.over or slot.needs > 0):
        away = (slot.ends - scene.now).total_seconds()
        word, more = ("passed", "") if slot.over else ("ends about", f"in {format_duration(max(away, 0) // 1)}")
        rows.append((word, _wall(slot.ends, scene.now), more))
    if took := _took(phase, slot, scene):
        rows.append(("took" if slot.over else "so far", *took))
    lines: list[Line] = [(("TIME", "dim"),)] if rows else []
    for name, value, more in rows:
        style = "warn strong" if more.startswith("late") else "dim"
        lines.append(fit(((f" {pad(name, 11)}", "dim"), (value, ""), (f"  {more}" if more else "", style)), width))
    return lines


def _took(phase: PhaseFace, slot: Slot, scene: Scene) -> tuple[str, str] | None:
    plan = sum(face.expect for face in phase.items)
    planned = f"planned {format_duration(plan)}" if plan else ""
    if not slot.begun or slot.begins is None or (slot.over and slot.ends is None):
        return None
    took = ((slot.ends if slot.over else scene.now) - slot.begins).total_seconds()  # type: ignore[operator]
    late = f"late by {format_duration((took - plan) // 1)}, " if plan and took > plan + 1 else ""
    return format_duration(max(took, 0) // 1), f"{late}{planned}"


def _drift(slot: Slot) -> str:
    drift = slot.drift
    if drift is None:
        return ""
    return f"late {clock(drift)}" if drift >= 1 else f"early {clock(drift)}" if drift <= -1 else "on time"


def _wall(at: datetime, now: datetime) -> str:
    """AT as the wall clock here shows it, with its day when that is not today."""
    here = at.astimezone()
    return f"{here:%H:%M:%S}" if here.date() == now.astimezone().date() else f"{here:%a %d %b %H:%M}"


def _against(phase: PhaseFace, scene: Scene, width: int) -> list[Line]:
    """What stands against GO of the current phase; of another one, what is still open in it."""
    if phase.id == scene.view.standing.phase:
        found = [(blocker.id, blocker.why) for blocker in scene.view.standing.blockers]
        title = f"{len(found)} against GO" if found else "nothing stands against GO"
    else:
        states = [(face, scene.state(face.id)) for face in phase.items]
        found = [(face.id, item.why_open or item.blocked or "open") for face, item in states if not item.settled]
        title = f"{len(found)} open" if found else "all of it is settled"
    lines: list[Line] = [((title, "strong" if found else "good strong"),)]
    for name, why in found:
        lines += wrapped(f"{name}: {why}", width - 1, indent=1)
    return lines


def _steps(phase: PhaseFace, scene: Scene, width: int) -> list[Line]:
    lines: list[Line] = []
    for step in phase.steps:
        done = sum(scene.state(face.id).settled for face in step.items)
        style = "dim" if done == len(step.items) else ""
        lines.append(fit(((f" {done:>2}/{len(step.items):<2} ", "dim"), (plain(step.title), style)), width))
    return [(("STEPS", "dim"),), *lines] if lines else []

"""Gates: the state word, why, and how far toward a trip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tminus.client.messages import GateView
from tui.glyphs import GATE_SIGNS
from tui.lines import Line, plain, spread, wrapped
from tui.scene import Scene
from tui.sparkline import bar

FORMS = ("full", "listed", "folded", "counted", "tight")


def gate_section(gates: Sequence[GateView], scene: Scene, width: int, form: str) -> list[Line]:
    """GATES under their heading, in one of the FORMS, the roomiest first:

    full     every gate in its place, with all there is to say of it
    listed   every gate in its place; one that is clear is one line
    folded   the worst first; those that are not armed are only counted
    counted  as folded, and those that are clear are only counted
    tight    as counted, and only a gate that asks, tripped or breaches has more than one line
    """
    if not gates:
        return []
    level = FORMS.index(form)
    rule = scene.glyphs.line
    lines: list[Line] = [((rule * 2, "rule"), (" GATES ", "dim"), (rule * max(width - 9, 0), "rule"))]
    calm = [gate for gate in gates if level >= FORMS.index("counted") and _is_calm(gate)]
    idle = [gate for gate in gates if level >= FORMS.index("folded") and _is_idle(gate)]
    shown = [gate for gate in gates if gate not in calm and gate not in idle]
    # People find a gate by its place, as long as all of them are in sight.
    for gate in sorted(shown, key=_rank) if level >= FORMS.index("folded") else shown:
        brief = (form != "full" and _is_calm(gate)) or (form == "tight" and _rank(gate) > _URGENT)
        lines += gate_lines(gate, scene, width)[: 1 if brief else None]
    for count, state, word in ((len(calm), "clear", "clear"), (len(idle), "unarmed", "not armed")):
        if count:
            sign = GATE_SIGNS[state]
            lines.append(((f"{scene.glyphs.mark(sign)} {count} {word}", sign.style),))
    return lines


def troubled(gates: Iterable[GateView]) -> bool:
    """Whether any of GATES is neither clear nor unarmed, or flaps, or waits for a person."""
    return not all(_is_calm(gate) or _is_idle(gate) for gate in gates)


def _is_calm(gate: GateView) -> bool:
    return gate.armed and gate.state == "clear" and not gate.flapping and not gate.asks


def _is_idle(gate: GateView) -> bool:
    return not gate.armed and gate.state != "tripped" and not gate.asks


def _rank(gate: GateView) -> int:
    """Where GATE stands among the others, the worst first. A state this version does not know is unknown."""
    if gate.asks:
        return 0
    if _is_idle(gate):
        return len(_WORST_FIRST)
    state = gate.state if gate.state in _WORST_FIRST else "unknown"
    return _WORST_FIRST.index("flapping" if state == "clear" and gate.flapping else state)


_WORST_FIRST = ("asks", "tripped", "breaching", "unknown", "recovering", "flapping", "clear")
_URGENT = _WORST_FIRST.index("breaching")


def gate_lines(gate: GateView, scene: Scene, width: int) -> list[Line]:
    """GATE in two lines or more: what it is and its state; its progress toward a trip, and why."""
    state = gate.state if gate.state in GATE_SIGNS else "unknown"
    sign = GATE_SIGNS[state if gate.armed or state == "tripped" else "unarmed"]
    head = spread(
        [(plain(gate.text), "dim" if _is_idle(gate) else "")],
        [
            (" FLAPPING ", "block-warn") if gate.flapping else ("", ""),
            (" DECIDE ", "block-bad") if gate.asks else ("", ""),
            (f" {scene.glyphs.mark(sign)} {sign.word}", sign.style),
        ],
        width,
        scene.glyphs.ellipsis,
    )
    if _is_idle(gate):
        return [head]
    lines = [head]
    if gate.progress > 0 or state == "tripped":
        part = 1.0 if state == "tripped" else gate.progress
        percent = f" {part * 100:3.0f}% {scene.glyphs.arrow} {plain(gate.then)}"
        style = "bad" if state == "tripped" else "warn"
        lines.append((*bar(part, max(min(width - len(percent), 24), 4), scene.glyphs, style), (percent, "dim")))
    if gate.why:
        lines += wrapped(gate.why, width - 1, "bad" if state == "tripped" else "dim", indent=1)[:3]
    if gate.decision:
        lines += wrapped(f"decided: {gate.decision}", width - 1, "override", indent=1)
    return lines

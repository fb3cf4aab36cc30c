"""Gates: the state word, why, and how far toward a trip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tminus.client.messages import GateView
from tui.glyphs import GATE_SIGNS
from tui.lines import Line, plain, spread, wrapped
from tui.scene import Scene
from tui.sparkline import bar


def gate_section(gates: Sequence[GateView], scene: Scene, width: int, *, brief: bool) -> list[Line]:
    """GATES under their heading. BRIEF: what is clear is one line, and what is not armed is counted."""
    if not gates:
        return []
    rule = scene.glyphs.line
    lines: list[Line] = [((rule * 2, "rule"), (" GATES ", "dim"), (rule * max(width - 9, 0), "rule"))]
    if not brief:
        return [*lines, *(line for gate in gates for line in gate_lines(gate, scene, width))]
    calm = [gate for gate in gates if gate.armed and gate.state == "clear" and not gate.flapping and not gate.asks]
    idle = [gate for gate in gates if not gate.armed and gate.state != "tripped"]
    for gate in gates:
        if gate not in calm and gate not in idle:
            lines += gate_lines(gate, scene, width)
    lines += [gate_lines(gate, scene, width)[0] for gate in calm]
    if idle:
        sign = GATE_SIGNS["unarmed"]
        lines.append(((f"{scene.glyphs.mark(sign)} {len(idle)} not armed", sign.style),))
    return lines


def troubled(gates: Iterable[GateView]) -> bool:
    """Whether any of GATES is armed and not clear, or waits for a person."""
    return any(gate.asks or gate.state == "tripped" or (gate.armed and gate.state != "clear") for gate in gates)


def gate_lines(gate: GateView, scene: Scene, width: int) -> list[Line]:
    """GATE in two lines or more: what it is and its state; its progress toward a trip, and why."""
    state = gate.state if gate.state in GATE_SIGNS else "unknown"
    sign = GATE_SIGNS[state if gate.armed or state == "tripped" else "unarmed"]
    name = "" if gate.armed or state == "tripped" else "dim"
    head = spread(
        [(plain(gate.text), name)],
        [
            (" FLAPPING ", "block-warn") if gate.flapping else ("", ""),
            (" DECIDE ", "block-bad") if gate.asks else ("", ""),
            (f" {scene.glyphs.mark(sign)} {sign.word}", sign.style),
        ],
        width,
        scene.glyphs.ellipsis,
    )
    if not gate.armed and state != "tripped":
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

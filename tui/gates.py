"""Gates: the state word, why, and how far toward a trip."""

from __future__ import annotations

from tminus.client.messages import GateView
from tui.glyphs import GATE_SIGNS
from tui.lines import Line, plain, spread, wrapped
from tui.scene import Scene
from tui.sparkline import bar


def gate_lines(gate: GateView, scene: Scene, width: int) -> list[Line]:
    """GATE in two lines or more: what it is and its state; its progress toward a trip, and why."""
    state = gate.state if gate.state in GATE_SIGNS else "unknown"
    sign = GATE_SIGNS[state if gate.armed or state == "tripped" else "unarmed"]
    name = "" if gate.armed or state == "tripped" else "dim"
    head = spread(
        [(plain(gate.text), name)],
        [
            (" FLAPPING ", "block-warn") if gate.flapping else ("", ""),
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

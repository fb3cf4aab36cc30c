"""The read-back at a pause point, drawn: `tminus.client.readback` says what is named."""

from __future__ import annotations

from tminus.client.messages import ItemFace
from tminus.client.readback import Section, read_back
from tminus.client.readback import asked_again as asked_again_of
from tui.evidence import stacked
from tui.lines import Line, wrapped
from tui.phase_detail import time_lines
from tui.scene import Scene

STYLES = {
    "open": "bad strong",
    "waived": "override",
    "skipped": "override",
    "n/a": "override",
    "unsure": "warn strong",
    "warned": "warn",
    "late": "warn",
    "critical": "head",
    "challenged": "warn strong",
}
"""How the title of each kind of section looks."""


def readback_lines(scene: Scene, width: int) -> list[Line]:
    """The completion call of the current phase of SCENE: its count, and by name all that is not simply done."""
    phase = scene.phase
    if phase is None:
        return []
    back = read_back(phase, scene.view.items, scene.view.crew.challenges)
    head = [*wrapped(back.title, width, "head"), *wrapped(back.count, width, "strong")]
    blocks = [_named(section, width) for section in back.sections]
    return stacked([head, time_lines(phase, scene, width), *blocks, wrapped(back.ending, width, "dim")])


def asked_again(scene: Scene) -> list[ItemFace]:
    """The items of the current phase whose value is typed once more at its pause point, in their order."""
    return asked_again_of(scene.phase, scene.view.items) if scene.phase else []


def _named(section: Section, width: int) -> list[Line]:
    lines: list[Line] = [((f"{len(section.items)} {section.title}", STYLES[section.kind]),)]
    for named in section.items:
        lines += wrapped(str(named), width - 1, indent=1)
    return lines

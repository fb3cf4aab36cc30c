"""The read-back at a pause point, drawn: what `tminus go` prints, with the times of the phase."""

from __future__ import annotations

from collections.abc import Mapping

from tminus.client.messages import ItemFace
from tminus.client.readback import Section, read_back
from tminus.client.readback import asked_again as _asked_again
from tui.evidence import stacked
from tui.lines import Line, wrapped
from tui.phase_detail import time_lines
from tui.scene import Scene


def readback_lines(scene: Scene, width: int) -> list[Line]:
    """The completion call of the current phase of SCENE: its count, and by name all that is not simply done."""
    phase = scene.phase
    if phase is None:
        return []
    back = read_back(phase, scene.view.items, scene.view.crew.challenges)
    head = [*wrapped(back.title, width, "head"), *wrapped(back.count, width, "strong")]
    blocks = [_section(section, width) for section in back.sections]
    return stacked([head, time_lines(phase, scene, width), *blocks, wrapped(back.ending, width, "dim")])


def asked_again(scene: Scene) -> list[ItemFace]:
    """The items of the current phase whose value is typed once more at its pause point, in their order."""
    return _asked_again(scene.phase, scene.view.items) if scene.phase else []


def _section(section: Section, width: int) -> list[Line]:
    lines: list[Line] = [((f"{len(section.items)} {section.title}", _STYLES.get(section.kind, "warn strong")),)]
    return [*lines, *(line for named in section.items for line in wrapped(str(named), width - 1, indent=1))]


_STYLES: Mapping[str, str] = {
    "open": "bad strong",
    "waived": "override",
    "skipped": "override",
    "n/a": "override",
    "unsure": "warn strong",
    "warned": "warn",
    "signed": "warn strong",
    "late": "warn",
    "critical": "head",
    "challenged": "warn strong",
}
"""How the kinds of a read-back look; one that this version does not know is no good news."""

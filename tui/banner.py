"""What nobody may miss: a replay, a gate that tripped, what somebody waits for, and an engine that has gone. Nothing
when there is nothing."""

from __future__ import annotations

from collections.abc import Sequence

from tui.clock import short_clock
from tui.crew import notices
from tui.crew_lines import notice_lines
from tui.lines import Line, fit, pad, plain, wrap
from tui.link import GONE
from tui.pane import Pane
from tui.replay import replay_lines
from tui.scene import Scene
from tui.wording import asking


class Banner(Pane):
    """Full-width lines, only while there is something to say."""

    GROWS = True
    DEFAULT_CSS = """
    Banner { height: 1; }
    """

    def show(self, scene: Scene) -> None:
        """Appear when there is something to say; a hidden pane has no width to draw at."""
        self.scene = scene
        told = scene.lost_at or scene.undecided or scene.view.replay or notices(scene)
        self.set_class(not told, "-empty")
        super().show(scene)

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """See `banner_lines`."""
        return banner_lines(scene, width)


def banner_lines(scene: Scene, width: int) -> list[Line]:
    """The banner's lines for SCENE at WIDTH."""
    lines = replay_lines(scene, width)
    if scene.lost_at is not None:
        gone = short_clock((scene.now - scene.lost_at).total_seconds())
        if scene.lost_what in ("", GONE):
            told = "the run is safe in its record; trying again every second (tminus run starts it)"
            lines.append(((pad(f" {GONE} {gone}  {told}", width), "block-bad"),))
        else:
            told = "the run is safe in its record; trying again"
            lines.append(((pad(f" {scene.lost_what} {gone}  {told}", width), "block-bad"),))
            lines += [
                fit(((" ", ""), (line, "bad strong")), width) for line in wrap(plain(scene.lost_why), width - 2)[:4]
            ]
    for gate in scene.undecided:
        lines.append(((pad(f" {asking(gate).upper()}  {plain(gate.text)}", width), "block-bad"),))
        for line in wrap(f"{plain(gate.why)}  {scene.glyphs.arrow} {plain(gate.then)}", width - 2)[:2]:
            lines.append(fit(((" ", ""), (line, "bad strong")), width))
    return [*lines, *notice_lines(scene, width)]

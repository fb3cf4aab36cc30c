"""The read-back at a pause point: what was left out, what is not known, what was late, what matters most. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from state.durations import format_duration
from tminus.client.messages import ItemFace, ItemView, PhaseFace
from tui.evidence import stacked
from tui.lines import Line, plain, wrapped
from tui.phase_detail import time_lines
from tui.scene import Scene

State = tuple[ItemFace, ItemView]


def readback_lines(scene: Scene, width: int) -> list[Line]:
    """The completion call of the current phase of SCENE: its count, and by name all that is not simply done."""
    phase = scene.phase
    if phase is None:
        return []
    states = [(face, scene.state(face.id)) for face in phase.items]
    settled = sum(item.settled for _, item in states)
    done = sum(_is_done(face, item) for face, item in states)
    count = f"{settled} of {len(states)} items settled"
    if done < settled:
        count += f": {done} done, {settled - done} left out or overridden"
    head = [*wrapped(phase.title, width, "head"), *wrapped(count, width, "strong")]
    blocks = [
        _named(title, style, [(face, item) for face, item in states if picks(face, item)], tells, width)
        for title, style, picks, tells in _SECTIONS
    ]
    asked = [f"{one.actor}: {one.text}" for one in scene.view.crew.challenges]
    blocks.append(_listed("challenges are open, of later phases", asked, width))
    ending = wrapped(_ending(phase, any(blocks)), width, "dim")
    return stacked([head, time_lines(phase, scene, width), *blocks, ending])


def _listed(title: str, told: Sequence[str], width: int) -> list[Line]:
    if not told:
        return []
    lines: list[Line] = [((f"{len(told)} {title}", "warn strong"),)]
    return [*lines, *(line for one in told for line in wrapped(one, width - 1, indent=1))]


def asked_again(scene: Scene) -> list[ItemFace]:
    """The items of the current phase whose value is typed once more at its pause point, in their order."""
    return [face for face in (scene.phase.items if scene.phase else ()) if _asks_again(face, scene.state(face.id))]


def _asks_again(face: ItemFace, item: ItemView) -> bool:
    done = item.mark in ("open", "confirmed") and not face.out_of_scope
    return face.critical and bool(face.ask) and bool(item.value) and done


def _ending(phase: PhaseFace, named: bool) -> str:
    word = "With all of this named, going" if named else "Going"
    what = "ends the rollback" if phase.branch == "rollback" else "passes the pause point"
    return f"{word} on {what}. The record says who did."


def _named(
    title: str, style: str, states: Sequence[State], tells: Callable[[ItemFace, ItemView], str], width: int
) -> list[Line]:
    if not states:
        return []
    lines: list[Line] = [((f"{len(states)} {title}", style),)]
    for face, item in states:
        told = tells(face, item)
        lines += wrapped(f"{face.text}{': ' if told else ''}{told}", width - 1, indent=1)
    return lines


def _is_done(face: ItemFace, item: ItemView) -> bool:
    """Whether it was really looked at or done: neither left out nor overridden."""
    return item.settled and not face.out_of_scope and item.mark in ("open", "confirmed")


def late(face: ItemFace, item: ItemView) -> bool:
    """Whether the item took longer than it was planned to."""
    return 0 < face.expect < item.seconds


def _why(_: ItemFace, item: ItemView) -> str:
    who = " and ".join(dict.fromkeys(plain(said.actor) for said in item.said))
    return f"{item.reason} ({who})" if who else item.reason


def _open(_: ItemFace, item: ItemView) -> str:
    return item.why_open or item.blocked


def _verdict(_: ItemFace, item: ItemView) -> str:
    return f"{item.verdict}: {item.actual}" if item.actual else item.verdict


def _late(face: ItemFace, item: ItemView) -> str:
    return f"took {format_duration(item.seconds)}, planned {format_duration(face.expect)}"


def _killer(face: ItemFace, item: ItemView) -> str:
    who = " and ".join(dict.fromkeys(plain(said.actor) for said in item.said)) or "its check"
    # A value that is asked for again is not told: it would be typed off.
    seen = "typed once more" if _asks_again(face, item) else item.value or item.actual
    return f"{seen} ({who})" if seen else who


_SECTIONS: tuple[tuple[str, str, Callable[[ItemFace, ItemView], bool], Callable[[ItemFace, ItemView], str]], ...] = (
    ("still open", "bad strong", lambda _, item: not item.settled, _open),
    ("by override: waived", "override", lambda _, item: item.mark == "waived", _why),
    ("by override: skipped", "override", lambda _, item: item.mark == "skipped", _why),
    ("by override: not applicable", "override", lambda _, item: item.mark == "n/a", _why),
    (
        "unknown, stale or failed, though settled",
        "warn strong",
        lambda _, item: item.settled and item.verdict not in ("", "pass", "warn"),
        _verdict,
    ),
    ("confirmed with a warning", "warn", lambda _, item: item.settled and item.verdict == "warn", _verdict),
    ("late", "warn", late, _late),
    ("critical, as seen", "head", lambda face, item: face.critical and _is_done(face, item), _killer),
)
"""What is read back, the gravest first: title, style, which items, and what is said of each."""

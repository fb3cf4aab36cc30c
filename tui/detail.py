"""Challenge and response for the item under the cursor: what is asked, what was seen, who said what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from state.durations import format_duration
from tminus.client.messages import ItemFace, ItemView
from tui.clock import age_of, ago, local_time, short_clock
from tui.glyphs import SIGNS, Sign
from tui.lines import Line, Span, columns, cut, halves, joined, pad, plain, wrap, wrapped
from tui.pane import Pane
from tui.scene import Scene
from tui.sparkline import bar


class Detail(Pane, can_focus=True):
    """The focused item, whole. Scrolls with the arrows once it has the focus (tab)."""

    DEFAULT_CSS = """
    Detail { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", show=False),
        Binding("down", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """See `detail_lines`."""
        return detail_lines(scene, width)


def detail_lines(scene: Scene, width: int) -> list[Line]:
    """The focused item of SCENE at WIDTH: challenge, response, evidence, marks, and what stands in its way."""
    face = scene.face
    if face is None:
        return phase_lines(scene, width)
    item = scene.item
    blocks = [*_seen(face, item, scene, width), _marks(face, item, scene, width), _blocked(item, width)]
    return _stacked(blocks)


def evidence_lines(scene: Scene, width: int) -> list[Line]:
    """Challenge, response and evidence of the focused item: what a person confirms, and nothing else."""
    return [] if scene.face is None else _stacked(_seen(scene.face, scene.item, scene, width))


def _seen(face: ItemFace, item: ItemView, scene: Scene, width: int) -> list[list[Line]]:
    return [
        _challenge(face, width),
        _verdict(face, item, scene),
        _progress(item, scene, width),
        _response(item, scene, width),
        _evidence(item, width, scene),
        _titled("HINT", item.hint, width, "info"),
    ]


def _stacked(blocks: list[list[Line]]) -> list[Line]:
    lines: list[Line] = []
    for block in blocks:
        if block:
            lines += [()] * bool(lines) + block
    return lines


def phase_lines(scene: Scene, width: int) -> list[Line]:
    """What the detail shows when the cursor stands on no item: the blockers of the current phase."""
    phase = scene.phase
    if phase is None:
        return [(("waiting for the engine", "dim"),)]
    lines: list[Line] = [((plain(phase.title), "head"), (f"  {plain(phase.at)}  {plain(phase.mode)}", "dim")), ()]
    blockers = scene.view.standing.blockers
    lines.append(((f"{len(blockers)} against GO" if blockers else "nothing stands against GO", "strong"),))
    for blocker in blockers:
        lines += wrapped(f"{blocker.id}: {blocker.why}", width, indent=2)
    return lines


def _challenge(face: ItemFace, width: int) -> list[Line]:
    lines = wrapped(face.text, width, "head")
    facts: list[tuple[str, str]] = [(plain(face.id), "dim")]
    if face.critical:
        facts.append(("CRITICAL", "warn strong"))
    if face.point_of_no_return:
        facts.append(("NO RETURN", "bad strong"))
    if face.effect == "change":
        facts.append(("CHANGES THE SYSTEM", "warn strong"))
    if face.role:
        facts.append((f"by {plain(face.role)}", "dim"))
    lines.append(joined([(fact,) for fact in facts], ("  ", "")))
    if face.how:
        lines += wrapped(face.how, width)
    if face.check:
        lines.append((("check ", "dim"), (plain(face.check), "info"), (f" ({plain(face.effect)})", "dim")))
    if face.out_of_scope:
        lines += wrapped(f"out of scope: {face.out_of_scope}", width, "dim")
    return lines


def verdict_sign(item: ItemView) -> Sign:
    """How the check's own answer looks, whatever a person said of the item."""
    if item.status in ("running", "interrupted"):
        return SIGNS[item.status]
    return SIGNS.get(item.verdict, SIGNS["unknown"]) if item.verdict else SIGNS["open"]


def _verdict(face: ItemFace, item: ItemView, scene: Scene) -> list[Line]:
    if not face.check:
        return []
    sign = verdict_sign(item)
    head: list[Sequence[Span]] = [((f"{scene.glyphs.mark(sign)} {sign.word}", sign.style),)]
    stale = item.verdict == "stale"
    if item.observed_at:
        head.append(((f"seen {ago(age_of(item.observed_at, scene.now))}", "warn strong" if stale else "dim"),))
    elif item.status != "running":
        head.append((("nobody looked yet", "dim"),))
    if item.attempts:
        head.append(((f"attempt {item.attempts}", "dim"),))
    if item.status == "running":
        took = age_of(item.started_at, scene.now) or 0.0
        head.append(((_against_plan(took, face.expect), "warn" if took > face.expect > 0 else "info"),))
    elif item.seconds:
        head.append(((f"took {format_duration(item.seconds)}", "dim"),))
    elif face.expect:
        head.append(((f"planned {format_duration(face.expect)}", "dim"),))
    return [joined(head, ("  ", ""))]


def _against_plan(took: float, planned: float) -> str:
    if not planned:
        return f"running {short_clock(took)}"
    late = f"  late by {short_clock(took - planned)}" if took > planned else ""
    return f"running {short_clock(took)} of {short_clock(planned)}{late}"


def _progress(item: ItemView, scene: Scene, width: int) -> list[Line]:
    progress = scene.view.progress.get(item.id)
    if item.status != "running" or progress is None:
        return []
    unit = plain(progress.unit)
    took = age_of(item.started_at, scene.now) or 0.0
    rate = progress.done / took if took > 0 else 0.0
    told = f"{_number(progress.done)}"
    told += f" of {_number(progress.total)}" * bool(progress.total) + f" {unit}" * bool(unit)
    if rate:
        told += f"  {_number(rate)}{' ' + unit if unit else ''}/s"
    lines: list[Line] = []
    if progress.total > 0:
        part = progress.done / progress.total
        if rate > 0 and part < 1:
            told += f"  {format_duration((progress.total - progress.done) // rate)} left"
        percent = f" {min(part, 1.0) * 100:3.0f}%"
        lines.append((*bar(part, max(min(width, 60) - len(percent), 4), scene.glyphs, "info"), (percent, "strong")))
    if progress.what:
        told = f"{plain(progress.what)}: {told}"
    return [*lines, ((cut(told, width, scene.glyphs.ellipsis), ""),)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.1f}"


def _response(item: ItemView, scene: Scene, width: int) -> list[Line]:
    if not item.expected and not item.actual:
        return []
    style = verdict_sign(item).style
    if not item.expected:
        return [(("ACTUAL", "dim"),), *wrapped(item.actual, width, style)]
    rule: Span = (f" {scene.glyphs.bar} ", "rule")
    a, b = halves(width, rule)
    left, right = wrap(plain(item.expected), a), wrap(plain(item.actual) or "nothing", b)
    return [
        *columns(["EXPECTED"], ["ACTUAL"], width, rule, ("dim", "dim")),
        *columns(left, right, width, rule, ("", style)),
    ]


def _evidence(item: ItemView, width: int, scene: Scene) -> list[Line]:
    if not item.evidence:
        return []
    wide = min(max(len(plain(key)) for key in item.evidence), max(width // 3, 8))
    lines: list[Line] = [(("EVIDENCE", "dim"),)]
    for key, value in item.evidence.items():
        for number, text in enumerate(wrap(plain(shown_value(value)), max(width - wide - 3, 4))):
            name = pad(plain(key) if number == 0 else "", wide, scene.glyphs.ellipsis)
            lines.append(((f" {name}  ", "dim"), (text, "")))
    return lines


def shown_value(value: object) -> str:
    """A piece of evidence as a person reads it: yes and no, and thousands apart."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _titled(title: str, text: str, width: int, style: str) -> list[Line]:
    return [((title, "dim"),), *wrapped(text, width - 1, style, indent=1)] if text else []


def _marks(face: ItemFace, item: ItemView, scene: Scene, width: int) -> list[Line]:
    if face.marks == "check":
        return [(("MARKS  ", "dim"), ("settled by its check alone", ""))]
    wanted = "two people confirm" if face.pair else "one person confirms"
    lines: list[Line] = [(("MARKS  ", "dim"), (wanted, "dim"))]
    word = "confirmed" if item.mark == "open" else item.mark
    for said in item.said:
        style = "good" if word == "confirmed" else "override" if word != "failed" else "bad"
        lines.append(((f" {plain(said.actor)}", "strong"), (f" {word}", style), (f" {local_time(said.utc)}", "dim")))
    if not item.said and item.mark != "open":
        lines.append(((f" {item.mark}", "override"),))
    if item.reason:
        lines += wrapped(f"because: {item.reason}", width - 1, "override", indent=1)
    if item.value:
        lines += wrapped(f"value: {item.value}", width - 1, indent=1)
    if face.ask:
        lines += wrapped(f"asks: {face.ask}", width - 1, "dim", indent=1)
    return lines


def _blocked(item: ItemView, width: int) -> list[Line]:
    if item.blocked:
        return _titled("BLOCKED", item.blocked, width, "warn strong")
    if item.settled:
        return [(("SETTLED", "good strong"), (" nothing more is needed", "dim"))]
    return _titled("STILL OPEN", item.why_open, width, "warn")

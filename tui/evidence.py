"""What the check of an item saw: its verdict, its progress, expected against actual, the proof and how it was got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from state.durations import format_duration
from tminus.client.messages import Attempt, ItemFace, ItemView
from tui.clock import age_of, ago, local_time, short_clock
from tui.glyphs import SIGNS, Sign
from tui.lines import Line, Span, columns, cut, flowed, halves, pad, plain, wrap, wrapped
from tui.scene import Scene
from tui.sparkline import bar

SEEN_BY = ("query", "command", "url")
"""Keys of the evidence that say how it was got: shown apart, so that somebody can look again by hand."""

SHOWN_ATTEMPTS = 3


def evidence_lines(scene: Scene, width: int) -> list[Line]:
    """Challenge, response and evidence of the focused item: what a person confirms, and nothing else."""
    if scene.face is None:
        return []
    return stacked([*asked(scene.face, scene.item, scene, width), *proof(scene.face, scene.item, scene, width)])


def asked(face: ItemFace, item: ItemView, scene: Scene, width: int) -> list[list[Line]]:
    """The blocks that tell what is asked and what was answered."""
    return [
        challenge(face, scene, width),
        _verdict(face, item, scene, width),
        _progress(item, scene, width),
        _response(item, scene, width),
        titled("HINT", item.hint, width, "info"),
    ]


def proof(face: ItemFace, item: ItemView, scene: Scene, width: int) -> list[list[Line]]:
    """The blocks that prove the answer: the evidence, and where it is from."""
    return [_evidence(item, width, scene), _seen_by(item, scene, width), _looks(face, width)]


def stacked(blocks: Sequence[Sequence[Line]]) -> list[Line]:
    """BLOCKS under each other with an empty line between; empty ones are left out."""
    lines: list[Line] = []
    for block in blocks:
        if block:
            lines += [()] * bool(lines) + list(block)
    return lines


def titled(title: str, text: str, width: int, style: str) -> list[Line]:
    """TEXT under TITLE; nothing when there is no text."""
    return [((title, "dim"),), *wrapped(text, width - 1, style, indent=1)] if text else []


def challenge(face: ItemFace, scene: Scene, width: int) -> list[Line]:
    """What to do, why, who does it, and which check looks."""
    lines = wrapped(face.text, width, "head")
    facts: list[tuple[str, str]] = [(plain(face.id), "dim")]
    if face.critical:
        facts.append(("CRITICAL", "warn strong"))
    if face.point_of_no_return:
        facts.append(("NO RETURN", "bad strong"))
    if face.effect == "change":
        facts.append(("CHANGES THE SYSTEM", "warn strong"))
    lines += flowed([(fact,) for fact in facts], width)
    if face.how:
        lines += wrapped(face.how, width)
    if face.role:
        lines += wrapped(f"by {who(face.role, scene)}", width, "dim")
    if face.check:
        spans = (("check ", "dim"), (plain(face.check), "info"), (f" ({plain(face.effect)})", "dim"))
        lines += flowed([spans], width)
    if face.out_of_scope:
        lines += wrapped(f"out of scope: {face.out_of_scope}", width, "dim")
    return lines


def who(role: str, scene: Scene) -> str:
    """ROLE with the person who has it and how to reach them, as the contact list says."""
    found = next((one for one in scene.view.roles if one.id == role), None)
    if found is None:
        return role
    return ", ".join(part for part in (found.title, found.name or "nobody named", found.contact) if part)


def verdict_sign(item: ItemView) -> Sign:
    """How the check's own answer looks, whatever a person said of the item."""
    if item.status in ("running", "interrupted"):
        return SIGNS[item.status]
    return SIGNS.get(item.verdict, SIGNS["unknown"]) if item.verdict else SIGNS["open"]


def _verdict(face: ItemFace, item: ItemView, scene: Scene, width: int) -> list[Line]:
    if not face.check:
        return []
    sign = verdict_sign(item)
    head: list[Sequence[Span]] = [((f"{scene.glyphs.mark(sign)} {sign.word}", sign.style),)]
    stale = item.verdict == "stale"
    if item.observed_at:
        head.append(((f"seen {ago(age_of(item.observed_at, scene.now))}", "warn strong" if stale else "dim"),))
    elif item.status != "running":
        head.append((("not done yet" if face.effect == "change" else "nobody looked yet", "dim"),))
    if item.attempts:
        head.append(((f"attempt {item.attempts}", "dim"),))
    if item.status == "running":
        took = age_of(item.started_at, scene.now) or 0.0
        head.append(((_against_plan(took, face.expect), "warn" if took > face.expect > 0 else "info"),))
    elif item.seconds:
        head.append(((f"took {format_duration(item.seconds)}", "dim"),))
    elif face.expect:
        head.append(((f"planned {format_duration(face.expect)}", "dim"),))
    return flowed(head, width)


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


def _seen_by(item: ItemView, scene: Scene, width: int) -> list[Line]:
    found = [(key, item.evidence[key]) for key in SEEN_BY if item.evidence.get(key)]
    if not found:
        return []
    lines: list[Line] = [(("SEEN BY", "dim"), (f"  {local_time(item.observed_at)}", "dim"))]
    for _, value in found:
        lines += wrapped(str(value), width - 1, "info", indent=1)
    return lines


def _looks(face: ItemFace, width: int) -> list[Line]:
    if not face.looks:
        return []
    title = "WITH" if face.effect == "change" else "LOOKS AT"
    return [((title, "dim"),), *(line for look in face.looks for line in wrapped(look, width - 1, indent=1))]


def _evidence(item: ItemView, width: int, scene: Scene) -> list[Line]:
    evidence: Mapping[str, object] = {key: value for key, value in item.evidence.items() if key not in SEEN_BY}
    if not evidence:
        return []
    wide = min(max(len(plain(key)) for key in evidence), max(width // 3, 8))
    lines: list[Line] = [(("EVIDENCE", "dim"),)]
    for key, value in evidence.items():
        for number, text in enumerate(wrap(plain(shown_value(key, value)), max(width - wide - 3, 4))):
            name = pad(plain(key) if number == 0 else "", wide, scene.glyphs.ellipsis)
            lines.append(((f" {name}  ", "dim"), (text, "")))
    return lines


NAMES = frozenset({"version", "pid", "port", "uid", "oid", "id", "status"})
"""Words in the name of an evidence whose number names something rather than counts it."""


def shown_value(key: str, value: object) -> str:
    """A piece of evidence as a person reads it: yes and no, and thousands apart where they are counted.

    >>> shown_value("rows", 39500), shown_value("version_num", 180006), shown_value("sure", True)
    ('39,500', '180006', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    counted = isinstance(value, int) and not NAMES & set(key.lower().replace("_", " ").split())
    return f"{value:,}" if counted else str(value)


def attempts(item: ItemView, scene: Scene, width: int) -> list[Line]:
    """The looks before the newest, the latest of them first: what was tried already, and how it ended."""
    # While it runs nothing of the newest is on the screen yet: the one before is an earlier look as well.
    earlier = item.tries if item.status == "running" else item.tries[:-1]
    if not earlier:
        return []
    total = item.attempts - 1
    more = f" (+{total - SHOWN_ATTEMPTS} before)" if total > SHOWN_ATTEMPTS else ""
    lines: list[Line] = [((f"EARLIER ATTEMPTS{more}", "dim"),)]
    for one in reversed(earlier[-SHOWN_ATTEMPTS:]):
        lines.append(_attempt(one, scene, width))
    return lines


def _attempt(one: Attempt, scene: Scene, width: int) -> Line:
    sign = SIGNS.get(one.verdict, SIGNS["unknown"])
    head = f" {scene.glyphs.mark(sign)} {pad(sign.word, 5)}"
    took = f"  {format_duration(one.seconds)}" if one.seconds else ""
    told = f"  {local_time(one.utc)}{took}  {plain(one.actual)}"
    return ((head, sign.style), (cut(told, max(width - len(head), 0), scene.glyphs.ellipsis), "dim"))

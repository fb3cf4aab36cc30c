"""The read-back at a pause point: what was left out, what is not known, what was late, what matters most. Pure.

The cockpit draws it, `tminus go` prints it: both say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from state.clean import clean
from state.durations import format_duration
from tminus.client.messages import ItemFace, ItemView, PhaseFace, Said
from tminus.client.people import ChallengeView


@dataclass(frozen=True)
class Named:
    """An item that is read back: its id, its text, and what is said of it."""

    id: str
    text: str
    told: str = ""

    def __str__(self) -> str:
        return f"{self.text}: {self.told}" if self.told else self.text


@dataclass(frozen=True)
class Section:
    """The items that share one reason to be named. `kind` is a word for machines, `title` is for people."""

    kind: str
    title: str
    items: tuple[Named, ...]


@dataclass(frozen=True)
class ReadBack:
    """The completion call of a phase: its count, by name all that is not simply done, and what going on means."""

    title: str
    count: str
    sections: tuple[Section, ...]
    ending: str


def read_back(phase: PhaseFace, items: Mapping[str, ItemView], challenges: Sequence[ChallengeView] = ()) -> ReadBack:
    """What is read back of PHASE where its ITEMS stand as they do and CHALLENGES are open, the gravest first."""
    states = [(face, items.get(face.id) or ItemView(id=face.id)) for face in phase.items]
    settled = sum(item.settled for _, item in states)
    done = sum(is_done(face, item) for face, item in states)
    count = f"{settled} of {len(states)} items settled"
    if done < settled:
        count += f": {done} done, {settled - done} left out or overridden"
    sections = []
    for kind, title, picks, tells in _SECTIONS:
        named = tuple(
            Named(face.id, clean(face.text), clean(tells(face, item))) for face, item in states if picks(face, item)
        )
        if named:
            sections.append(Section(kind, title, named))
    if challenges:
        asked = tuple(Named(one.item, f"{clean(one.actor)} asks", clean(one.text)) for one in challenges)
        sections.append(Section("challenged", "with a challenge that is open", asked))
    return ReadBack(clean(phase.title), count, tuple(sections), _ending(phase, bool(sections)))


def asked_again(phase: PhaseFace, items: Mapping[str, ItemView]) -> list[ItemFace]:
    """The critical items of PHASE that a person gave a value: it is read and typed once more at the pause point."""
    return [face for face in phase.items if (item := items.get(face.id)) and _is_asked_again(face, item)]


def text_lines(back: ReadBack) -> Iterator[str]:
    """BACK as plain lines."""
    yield back.title
    yield back.count
    for section in back.sections:
        yield f"{len(section.items)} {section.title}"
        yield from (f"  {named}" for named in section.items)
    yield back.ending


def is_done(face: ItemFace, item: ItemView) -> bool:
    """Whether it was really looked at or done: neither left out nor overridden."""
    return item.settled and not face.out_of_scope and item.mark in ("open", "confirmed")


def is_late(face: ItemFace, item: ItemView) -> bool:
    """Whether the item took longer than it was planned to."""
    return 0 < face.expect < item.seconds


def said_by(item: ItemView) -> str:
    """Who said so of ITEM, each once."""
    return " and ".join(dict.fromkeys(clean(said.actor) for said in item.said))


def signed_before(item: ItemView) -> list[Said]:
    """Who signed ITEM before what stands above its line became what it is now."""
    return [said for said in item.said if said.role and said.seen and said.seen != item.evidence_digest]


def _signed(_: ItemFace, item: ItemView) -> str:
    return ", ".join(f"{said.role} by {said.actor}" for said in signed_before(item))


def _ending(phase: PhaseFace, named: bool) -> str:
    word = "With all of this named, going" if named else "Going"
    what = "ends the rollback" if phase.branch == "rollback" else "passes the pause point"
    return f"{word} on {what}. The record says who did."


def _is_asked_again(face: ItemFace, item: ItemView) -> bool:
    return face.critical and bool(face.ask) and bool(item.value) and is_done(face, item)


def _why(_: ItemFace, item: ItemView) -> str:
    told = ", ".join(filter(None, (said_by(item), f"until {item.until}" if item.until else "")))
    return f"{item.reason} ({told})" if told else item.reason


def _open(_: ItemFace, item: ItemView) -> str:
    return item.why_open or item.blocked


def _verdict(_: ItemFace, item: ItemView) -> str:
    return f"{item.verdict}: {item.actual}" if item.actual else item.verdict


def _late(face: ItemFace, item: ItemView) -> str:
    return f"took {format_duration(item.seconds)}, planned {format_duration(face.expect)}"


def _killer(face: ItemFace, item: ItemView) -> str:
    who = said_by(item) or "its check"
    if _is_asked_again(face, item):
        return f"its value is asked once more ({who})"  # and not told: it would be typed instead of read
    seen = item.value or item.actual
    return f"{seen} ({who})" if seen else who


_Picks = Callable[[ItemFace, ItemView], bool]
_Tells = Callable[[ItemFace, ItemView], str]

_SECTIONS: tuple[tuple[str, str, _Picks, _Tells], ...] = (
    ("open", "still open", lambda _, item: not item.settled, _open),
    ("waived", "by override: waived", lambda _, item: item.mark == "waived", _why),
    ("skipped", "by override: skipped", lambda _, item: item.mark == "skipped", _why),
    ("n/a", "by override: not applicable", lambda _, item: item.mark == "n/a", _why),
    (
        "unsure",
        "unknown, stale or failed, though settled",
        lambda _, item: item.settled and item.verdict not in ("", "pass", "warn"),
        _verdict,
    ),
    ("warned", "confirmed with a warning", lambda _, item: item.settled and item.verdict == "warn", _verdict),
    ("signed", "signed before something changed above the line", lambda _, item: bool(signed_before(item)), _signed),
    ("late", "late", is_late, _late),
    ("critical", "critical, as seen", lambda face, item: face.critical and is_done(face, item), _killer),
)
"""What is read back, the gravest first: kind, title, which items, and what is said of each."""

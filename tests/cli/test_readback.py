"""The read-back as plain text: one for the cockpit and for the command line."""

from __future__ import annotations

from tminus.client.messages import ItemFace, ItemView, PhaseFace, Said, StepFace
from tminus.client.readback import asked_again, read_back, text_lines

AT = "2026-11-22T22:00:00Z"
FACES = (
    ItemFace(id="open", text="Still to do"),
    ItemFace(id="waived", text="Waived one"),
    ItemFace(id="stale", text="Old news"),
    ItemFace(id="warned", text="A warning"),
    ItemFace(id="late", text="A slow one", expect=60.0),
    ItemFace(id="rows", text="The rows", critical=True),
    ItemFace(id="count", text="The count", critical=True, ask="How many?"),
    ItemFace(id="nobody", text="Never heard of", critical=True, ask="How many?"),
)
ITEMS = {
    view.id: view
    for view in (
        ItemView(id="open", why_open="not checked yet"),
        ItemView(id="waived", mark="waived", settled=True, reason="agreed \x1b[31mbefore", said=(Said("Anna", AT),)),
        ItemView(id="stale", verdict="stale", settled=True, actual="seen an hour ago"),
        ItemView(id="warned", verdict="warn", settled=True, actual="91 % full"),
        ItemView(id="late", verdict="pass", settled=True, seconds=150.0),
        ItemView(id="rows", verdict="pass", settled=True, actual="41,023 rows"),
        ItemView(id="count", mark="confirmed", settled=True, value="41023", said=(Said("Bob", AT), Said("Bob", AT))),
    )
}
PHASE = PhaseFace(id="p", title="Phase", mode="do-confirm", branch="main", steps=(StepFace("S", FACES),))


def test_every_reason_to_be_named_has_its_section_the_gravest_first() -> None:
    back = read_back(PHASE, ITEMS)
    assert [(section.kind, [str(named) for named in section.items]) for section in back.sections] == [
        ("open", ["Still to do: not checked yet", "Never heard of"]),
        ("waived", ["Waived one: agreed before (Anna)"]),
        ("unsure", ["Old news: stale: seen an hour ago"]),
        ("warned", ["A warning: warn: 91 % full"]),
        ("late", ["A slow one: took 2m30s, planned 1m"]),
        ("critical", ["The rows: 41,023 rows (its check)", "The count: its value is asked once more (Bob)"]),
    ]
    assert back.count == "6 of 8 items settled: 5 done, 1 left out or overridden"


def test_a_waiver_that_ends_says_when() -> None:
    waived = ItemView(
        id="waived", mark="waived", settled=True, reason="no data yet", said=(Said("Anna", AT),), until=AT
    )
    (section,) = (one for one in read_back(PHASE, {**ITEMS, "waived": waived}).sections if one.kind == "waived")
    assert [str(named) for named in section.items] == [f"Waived one: no data yet (Anna, until {AT})"]


def test_a_value_that_is_asked_once_more_is_not_told() -> None:
    assert [face.id for face in asked_again(PHASE, ITEMS)] == ["count"]
    assert "41023" not in "\n".join(text_lines(read_back(PHASE, ITEMS)))


def test_as_lines_it_says_how_many_and_ends_with_what_going_means() -> None:
    lines = list(text_lines(read_back(PHASE, ITEMS)))
    assert lines[:3] == ["Phase", "6 of 8 items settled: 5 done, 1 left out or overridden", "2 still open"]
    assert lines[-1].startswith("With all of this named, going on passes the pause point.")

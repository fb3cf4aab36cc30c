"""A record's text: what holds of it is told part by part, and the first event that does not hold is named."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence

import msgspec
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from state.events import Event
from state.record import RecordError, event_line, parse
from state.verifying import NoRecord, examine
from tests.record.conftest import evening, linked, said, text_of

CHAIN = linked(evening())
TEXT = text_of(CHAIN)
replace = msgspec.structs.replace


def with_lines(chain: Sequence[Event]) -> str:
    """The record with CHAIN in its journal, and all else as it was written."""
    head, _, rest = TEXT.partition("events = [\n")
    tail = rest.partition("\n]\n")[2]
    return head + "events = [\n" + "".join(f"  {event_line(event)},\n" for event in chain)[:-1] + "\n]\n" + tail


def test_a_sound_record_holds_in_every_part() -> None:
    found = examine(TEXT)
    assert found.holds
    assert found.events == tuple(CHAIN)
    assert not found.differs


@pytest.mark.parametrize("at", range(len(CHAIN) - 1))
def test_an_event_that_was_changed_is_the_one_that_is_named(at: int) -> None:
    chain = [*CHAIN]
    chain[at] = replace(chain[at], actor="Eve")
    found = examine(with_lines(chain))
    assert found.broken is not None
    # The last but one has a neighbour, but nobody who vouches for the neighbour.
    assert found.broken.seq == at + 1 if at < len(CHAIN) - 2 else found.broken.seq in (at + 1, at + 2)
    assert "was changed" in found.broken.why
    assert (found.sealed, found.differs) == (False, "event")
    assert len(found.events) in (at, at + 1)


def test_the_last_event_is_vouched_for_by_the_tables_and_the_seal() -> None:
    found = examine(with_lines([*CHAIN[:-1], replace(CHAIN[-1], item="other")]))
    assert not found.holds
    assert found.broken is None
    assert [edited.table for edited in found.edited] == ["[gone]", "[gone]"]
    assert found.differs == "table"


@given(st.data())
def test_the_first_event_that_is_missing_or_out_of_place_is_named(data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(CHAIN) - 2))
    found = examine(with_lines([*CHAIN[:at], *CHAIN[at + 1 :]]))
    assert found.broken is not None
    assert (found.broken.seq, len(found.events)) == (at + 2, at)
    assert f"event {at + 1} should stand before it" in found.broken.why
    swapped = examine(with_lines([*CHAIN[:at], CHAIN[at + 1], CHAIN[at], *CHAIN[at + 2 :]]))
    assert swapped.broken is not None
    assert (swapped.broken.seq, len(swapped.events)) == (at + 2, at)


def test_an_event_of_an_unknown_kind_or_without_sense_is_named_under_sound_digests() -> None:
    odd = linked([*evening(), said(30, "moon.landing", item="eagle")])
    found = examine(with_lines(odd))
    assert found.broken is not None
    assert str(found.broken).startswith(
        f"event {len(odd)} (moon.landing, eagle, 2026-11-22T22:30:00.000Z): of the kind"
    )
    senseless = linked([*evening(), said(30, "hold.released", data={}), said(31, "note", reason="more")])
    found = examine(with_lines(senseless))
    assert found.broken is not None
    assert found.broken.seq == len(CHAIN) + 1
    assert "cannot be replayed" in found.broken.why


@given(st.integers(0, len(TEXT) - 1))
def test_a_record_that_was_cut_never_holds_and_says_how_far_it_goes(length: int) -> None:
    cut = TEXT[:length]
    try:
        found = examine(cut)
    except NoRecord:
        assert length < TEXT.index("[run]") + len("[run]\n") or "journal" not in cut
        return
    assert not found.holds
    assert found.events == tuple(CHAIN[: len(found.events)])
    whole = cut.partition("events = [\n")[2].count("\n")
    assert len(found.events) >= min(whole - 1, len(CHAIN) - 1)


@given(st.integers(0, len(TEXT.encode()) - 1), st.integers(0, 7))
def test_a_bit_that_flipped_anywhere_is_found(at: int, bit: int) -> None:
    raw = TEXT.encode()
    flipped = raw[:at] + bytes([raw[at] ^ (1 << bit)]) + raw[at + 1 :]
    try:
        found = examine(flipped.decode(errors="replace"))
    except NoRecord:
        return
    assert not found.holds


def resealed(body: str) -> str:
    return f'{body}[seal]\nsha256 = "{hashlib.sha256(body.encode()).hexdigest()}"\n'


def both_say(text: str) -> tuple[bool, bool]:
    """Whether a record is sound for whoever goes on from it, and for whoever asks what it is worth."""
    try:
        parse(text)
        believed = True
    except RecordError:
        believed = False
    try:
        return believed, examine(text).holds
    except NoRecord:
        return believed, False


@given(st.data())
def test_what_is_told_to_hold_is_what_reading_believes(data: st.DataObject) -> None:
    body = TEXT[: TEXT.rindex("[seal]")]
    lines = body.splitlines(keepends=True)
    at, to = data.draw(st.integers(0, len(lines) - 1)), data.draw(st.integers(0, len(lines) - 1))
    match data.draw(st.sampled_from(["left out", "twice", "moved", "another", "new"])):
        case "left out":
            del lines[at]
        case "twice":
            lines.insert(to, lines[at])
        case "moved":
            lines.insert(to, lines.pop(at))
        case "another":
            lines[at] = lines[at].replace("2", "3").replace('"', "'", 2)
        case "new":
            added = [
                "x = 1\n",
                "[new]\n",
                "[[hold]]\n",
                "hold = []\n",
                "note = {}\n",
                "# words\n",
                "\n",
                "journal = 1\n",
            ]
            lines.insert(at, data.draw(st.sampled_from(added)))
    believed, holds = both_say(resealed("".join(lines)))
    assert believed == holds


@pytest.mark.parametrize("empty", ["drift = []", "drift = {}"])
def test_a_table_that_is_there_and_empty_is_an_edit(empty: str) -> None:
    text = resealed(TEXT[: TEXT.rindex("[seal]")].replace("schema = 1\n", f"schema = 1\n{empty}\n"))
    assert both_say(text) == (False, False)
    assert [edited.table for edited in examine(text).edited] == ["[drift]"]


def test_a_line_that_is_no_toml_is_named_with_what_can_be_read_of_it() -> None:
    line = next(line for line in TEXT.splitlines() if 'kind = "gate.armed"' in line)
    found = examine(TEXT.replace(line, line.replace("utc = ", "utc : ")))
    assert found.toml
    assert found.broken is not None
    assert (found.broken.seq, found.broken.kind, found.broken.item) == (14, "gate.armed", "errors")
    assert TEXT.splitlines()[found.broken.line - 1] == line


def test_an_edited_table_is_named_with_its_key_while_the_journal_holds() -> None:
    found = examine(TEXT.replace('reason = "the late row is known"\n', 'reason = "all was well"\n', 1))
    assert found.broken is None
    assert [str(edited) for edited in found.edited] == [
        "[[item]] copy reason says 'all was well', the journal gives 'the late row is known'"
    ]
    assert found.differs == "table"


@pytest.mark.parametrize("table", ["item", "run", "gone", "hold", "gate"])
@pytest.mark.parametrize("value", ["3", "[]", "[1, 2]", "{ a = 1 }", "[{ id = 1 }, { id = 1 }]", "nan", '"words"'])
def test_a_table_of_another_shape_is_named_and_breaks_nothing_else(table: str, value: str) -> None:
    head, _, journal = TEXT.partition("\n[journal]\n")
    tables = tomllib.loads(head) | {"schema": 1}
    del tables[table]
    found = examine(f"{table} = {value}\n{tomli_w.dumps(tables)}\n[journal]\n{journal}")
    assert any(f"[{table}]" in edited.table for edited in found.edited)
    assert found.broken is None


def test_a_row_that_was_taken_out_of_a_table_is_named() -> None:
    head, _, rest = TEXT.partition("\n[[hold]]\n")
    found = examine(f"{head}\n{rest[rest.index('[[gate]]') :]}")
    assert [str(edited) for edited in found.edited] == ["[[hold]] 1 says nothing, the journal gives a table"]


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        ("Read it freely", "Read it", "text"),
        ('sha256 = "', 'sha256 = "0', "seal"),
        ("[seal]\n", "", "missing"),
    ],
)
def test_a_seal_that_does_not_fit_says_what_was_changed_since(before: str, after: str, differs: str) -> None:
    head, _, tail = TEXT.rpartition(before)
    found = examine(head + after + tail)
    assert found.differs == differs
    assert found.broken is None


def test_a_record_whose_line_ends_were_changed_alone_is_told_so_and_not_that_it_was_cut() -> None:
    found = examine(TEXT.replace("\n", "\r\n"))
    assert (found.holds, found.differs, found.broken, found.edited) == (False, "lines", None, ())
    assert examine(TEXT[: TEXT.index("[seal]")].replace("\n", "\r\n")).differs == "missing"


def test_a_record_that_tells_first_attempts_as_they_once_were_told_still_holds() -> None:
    body = TEXT[: TEXT.rindex("[seal]")].replace("seconds = 2.0\n", "seconds = 2.0\nattempts = 1\n", 1)
    assert both_say(resealed(body)) == (True, True)


@pytest.mark.parametrize("text", ["a = [", "\x00", "schema = 2\n[journal]\n", "schema = 9\n[run]\n["])
def test_what_cannot_be_read_is_told_apart_from_what_is_broken(text: str) -> None:
    with pytest.raises(NoRecord):
        examine(text)


@pytest.mark.parametrize("text", ["", "hello = 1\n", "schema = 1\ntitle = 'x'\n", TEXT.replace("schema = 1\n", "")])
def test_what_is_toml_and_no_record_does_not_hold(text: str) -> None:
    found = examine(text)
    assert not found.holds
    assert found.toml or found.broken

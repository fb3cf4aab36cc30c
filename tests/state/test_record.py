"""The record as text: what is written reads back the same, and whatever was changed is noticed."""

from __future__ import annotations

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from state_strategies import runs

from state.events import Event, chained, plain
from state.record import RecordError, event_line, parse, render
from state.replaying import replay


def rendered(events: list[Event]) -> str:
    return render(replay(events), [event_line(one) for one in events])


@pytest.fixture
def text(small_run: list[Event]) -> str:
    chain: list[Event] = []
    for one in small_run:
        chain.append(plain(chained(chain[-1] if chain else None, one)))
    return rendered(chain)


@settings(max_examples=120, deadline=None)
@given(runs())
def test_what_is_written_reads_back_the_same(events: list[Event]) -> None:
    state, read = parse(rendered(events))
    assert read == events
    assert state == replay(events)


@settings(max_examples=60, deadline=None)
@given(runs(), st.data())
def test_an_event_left_out_or_put_elsewhere_is_noticed(events: list[Event], data: st.DataObject) -> None:
    if len(events) < 2:
        return
    at = data.draw(st.integers(0, len(events) - 2))
    for changed in (events[:at] + events[at + 1 :], [*events[:at], events[at + 1], events[at], *events[at + 2 :]]):
        with pytest.raises(RecordError):
            parse(rendered(changed))


def test_every_single_byte_that_flips_is_noticed(text: str) -> None:
    raw = text.encode()
    for at in range(len(raw)):
        flipped = raw[:at] + bytes([raw[at] ^ (1 << at % 8)]) + raw[at + 1 :]
        try:
            changed = flipped.decode()
        except UnicodeDecodeError:
            continue  # noticed when it is read: see test_record_file
        with pytest.raises(RecordError):
            parse(changed)


def test_a_record_that_was_cut_anywhere_is_noticed(text: str) -> None:
    for length in range(len(text)):
        with pytest.raises(RecordError):
            parse(text[:length])


def test_a_table_that_does_not_agree_with_the_journal_is_noticed_even_when_resealed(text: str) -> None:
    import hashlib

    body = text[: text.rindex("[seal]")].replace('actual = "3 rows"\nobserved', 'actual = "4 rows"\nobserved')
    assert body != text[: text.rindex("[seal]")]
    resealed = f'{body}[seal]\nsha256 = "{hashlib.sha256(body.encode()).hexdigest()}"\n'
    with pytest.raises(RecordError, match="does not agree with the journal"):
        parse(resealed)


def test_a_record_of_a_newer_version_says_so(text: str) -> None:
    with pytest.raises(RecordError, match="newer tminus"):
        parse(text.replace("schema = 1", "schema = 2", 1))


@pytest.mark.parametrize(
    "text", ["", "schema = 1\n", "schema = 1\njournal = 3\n", "a = " + "[" * 20_000, "a = " + "1" * 9_000]
)
def test_what_is_no_record_is_refused_by_name(text: str) -> None:
    with pytest.raises(RecordError):
        parse(text)


def test_the_journal_is_one_line_an_event(text: str, small_run: list[Event]) -> None:
    journal = text.partition("events = [\n")[2].partition("\n]\n")[0].splitlines()
    assert len(journal) == len(small_run)


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=9),
        st.text(st.characters(codec="utf-8"), max_size=20),
        max_size=4,
    )
)
def test_an_inline_table_is_toml_for_any_key_and_value(data: dict[str, str]) -> None:
    import tomllib

    from state.record import _inline

    assert tomllib.loads(f"v = {_inline(data)}")["v"] == tomllib.loads(tomli_w.dumps({"v": data}))["v"]

"""Verifying: what holds of a record is told part by part, and the first event that does not hold is named."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Sequence

import msgspec
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from state.events import Event
from state.record import event_line
from state.record_file import RecordFile
from state.verifying import NoRecord, examine
from tests.record.conftest import BERT, NAME, Project, evening, linked, said, text_of, write
from tminus.verifying import Unreadable, verify

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


def test_a_record_that_tells_first_attempts_as_they_once_were_told_still_holds() -> None:
    import hashlib

    body = TEXT[: TEXT.rindex("[seal]")].replace("seconds = 2.0\n", "seconds = 2.0\nattempts = 1\n", 1)
    assert examine(f'{body}[seal]\nsha256 = "{hashlib.sha256(body.encode()).hexdigest()}"\n').holds


@pytest.mark.parametrize("text", ["a = [", "\x00", "schema = 2\n[journal]\n", "schema = 9\n[run]\n["])
def test_what_cannot_be_read_is_told_apart_from_what_is_broken(text: str) -> None:
    with pytest.raises(NoRecord):
        examine(text)


@pytest.mark.parametrize("text", ["", "hello = 1\n", "schema = 1\ntitle = 'x'\n", TEXT.replace("schema = 1\n", "")])
def test_what_is_toml_and_no_record_does_not_hold(text: str) -> None:
    found = examine(text)
    assert not found.holds
    assert found.toml or found.broken


def test_the_log_is_part_of_it(project: Project) -> None:
    record = RecordFile(project.record)
    record.append(said(30, "note", reason="only in the log"))
    found = verify(project.record)
    assert (found.holds, found.log, found.logged) == (True, "holds", 1)
    assert found.events[-1].reason == "only in the log"
    log = project.record.with_name(f"{NAME}.wal")
    log.write_bytes(log.read_bytes().replace(b"only", b"also"))
    found = verify(project.record)
    assert (found.holds, found.log) == (False, "broken")
    assert "line 1 was changed" in found.log_why


def test_a_log_that_is_all_there_is_yet_is_a_record(project: Project) -> None:
    path = project.record.with_name("2026-11-23-move.toml")
    record = RecordFile(path)
    record.append(evening()[0])
    assert verify(path).holds
    assert verify(path).logged == 1


def test_files_that_evidence_names_are_the_same_changed_or_not_at_hand(project: Project) -> None:
    assert [one.found for one in verify(project.record).artefacts] == ["same"]
    project.backup.write_bytes(project.backup.read_bytes()[:-1] + b"!")
    found = verify(project.record)
    assert not found.holds
    assert "its sha256 is" in found.artefacts[0].why
    project.backup.write_bytes(b"short")
    assert verify(project.record).artefacts[0].why == "5 bytes, and was 640"
    project.backup.unlink()
    found = verify(project.record)
    assert found.holds
    assert [one.found for one in found.artefacts] == ["not at hand"]
    os.mkfifo(project.backup)  # nobody waits for what a record merely names
    assert [one.found for one in verify(project.record).artefacts] == ["not at hand"]


def test_a_file_that_took_the_place_of_a_live_one_may_change(project: Project) -> None:
    from tests.record.conftest import seen

    app = project.folder / "app.db"
    app.write_bytes(b"live")
    evidence = {"from": "backups/app.db", "path": "app.db", "sha256": "0" * 64, "bytes": 4}
    project.go_on(seen(30, "restore", "pass", "put back", **evidence))
    assert verify(project.record).holds


def test_copies_that_were_stored_elsewhere_are_looked_at_too(project: Project) -> None:
    from tests.record.conftest import seen

    digest = "sha256 " + verify(project.record).artefacts[0].artefact.sha256
    project.go_on(seen(30, "store", "pass", "stored", **{"where": "vault", "app.db": digest}))
    assert [one.found for one in verify(project.record).artefacts] == ["same", "not at hand"]
    (project.folder / "vault").mkdir()
    (project.folder / "vault" / "app.db").write_bytes(b"another")
    assert [one.found for one in verify(project.record).artefacts] == ["same", "changed"]


def test_a_rewritten_chain_is_sound_in_itself_and_git_catches_it(project: Project) -> None:
    assert "not committed yet" in verify(project.record).git.silent
    project.git("add", "deployments")
    project.git("commit", "-q", "-m", "One")
    project.go_on(said(30, "note", BERT, reason="later"))
    found = verify(project.record)
    assert found.holds
    assert (found.git.commits, found.git.committed) == (1, len(CHAIN))
    forged = [replace(event, actor="Eve") if event.kind == "mark" else event for event in evening()]
    project.record.unlink()
    write(project.record, forged)
    found = verify(project.record)
    assert found.text.holds
    assert not found.holds
    assert found.git.first is not None
    assert found.git.first.seq == 6
    assert "actor was 'Anna', and is 'Eve'" in found.git.why
    project.git("commit", "-q", "-am", "Two")  # also when the forgery was committed on top
    assert verify(project.record).git.first == found.git.first


def test_git_vouches_for_a_long_record_as_well(project: Project) -> None:
    project.go_on(said(30, "note", reason="long " * 150_000), said(31, "note", reason="the last"))
    project.git("add", "deployments")
    project.git("commit", "-q", "-m", "One")
    found = verify(project.record)
    assert found.holds
    assert found.git.committed == len(CHAIN) + 2


def test_a_record_that_lost_its_last_events_is_caught_by_git(project: Project) -> None:
    project.git("add", "deployments")
    project.git("commit", "-q", "-m", "One")
    project.record.unlink()
    write(project.record, evening()[:-3])
    found = verify(project.record)
    assert not found.holds
    assert found.git.why.endswith("it is gone, and 2 after it")


def test_another_run_under_the_same_name_is_no_rewriting_once_it_is_committed(project: Project) -> None:
    project.git("add", "deployments")
    project.git("commit", "-q", "-m", "One")
    project.record.unlink()
    write(project.record, [replace(one, utc=one.utc.replace("2026", "2027")) for one in evening()])
    assert not verify(project.record).holds
    project.git("commit", "-q", "-am", "Two")
    found = verify(project.record)
    assert found.holds
    assert found.git.others == 1


def test_a_commit_of_damage_that_was_mended_vouches_for_nothing(project: Project) -> None:
    sound = project.record.read_text()
    for text in (sound, sound.replace("Anna", "Eve"), sound):
        project.record.write_text(text)
        project.git("add", "deployments")
        project.git("commit", "-q", "-m", "One")
    assert verify(project.record).holds


def test_what_git_holds_that_is_broken_now_is_no_second_fault(project: Project) -> None:
    project.git("add", "deployments")
    project.git("commit", "-q", "-m", "One")
    project.record.write_text(project.record.read_text()[:-900])
    found = verify(project.record)
    assert not found.holds
    assert found.git.holds
    assert found.git.committed == len(CHAIN)


def test_a_file_that_is_not_there_is_unreadable(project: Project) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        verify(project.folder / "nothing.toml")


def test_the_command_says_it_for_people_and_machines(project: Project) -> None:
    good = project.tminus("record", "verify", str(project.record), "--json")
    assert good.returncode == 0
    told = json.loads(good.stdout)
    assert (told["holds"], told["events"], told["seal"]) == (True, len(CHAIN), "fits")
    text = project.record.read_text().replace("the customer calls", "the \\u001b[31mcustomer calls")
    project.record.write_text(text)
    bad = project.tminus("record", "verify", str(project.record))
    assert bad.returncode == 1
    assert "BROKEN" in bad.stdout
    assert "event 9 (hold.raised" in bad.stdout
    assert "what to do:" in bad.stdout
    assert "no signature" in bad.stdout
    assert "\x1b" not in bad.stdout
    assert project.tminus("record", "verify", ".git/HEAD").returncode == 2

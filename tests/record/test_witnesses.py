"""What lies around a record: its log, the files that it names, what git has of it; and the command that tells it."""

from __future__ import annotations

import json
import os

import msgspec
import pytest

from state.record_file import RecordFile
from tests.record.conftest import BERT, NAME, Project, evening, linked, said, seen, write
from tminus.verifying import Unreadable, verify

CHAIN = linked(evening())
replace = msgspec.structs.replace


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
    app = project.folder / "app.db"
    app.write_bytes(b"live")
    evidence = {"from": "backups/app.db", "path": "app.db", "sha256": "0" * 64, "bytes": 4}
    project.go_on(seen(30, "restore", "pass", "put back", **evidence))
    assert verify(project.record).holds


def test_copies_that_were_stored_elsewhere_are_looked_at_too(project: Project) -> None:
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


def test_a_pipe_in_its_place_or_in_that_of_its_log_is_not_waited_for(project: Project) -> None:
    path = project.record
    os.mkfifo(path.with_name(NAME + ".wal"))
    assert verify(path).log == "not readable"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Unreadable, match="pipe"):
        verify(path)


def test_the_command_says_it_for_people_and_machines(project: Project) -> None:
    good = project.tminus("record", "verify", str(project.record), "--json")
    assert good.exit_code == 0
    told = json.loads(good.stdout)
    assert (told["holds"], told["events"], told["seal"]) == (True, len(CHAIN), "fits")
    text = project.record.read_text().replace("the customer calls", "the \\u001b[31mcustomer calls")
    project.record.write_text(text)
    bad = project.tminus("record", "verify", str(project.record))
    assert bad.exit_code == 1
    assert "BROKEN" in bad.stdout
    assert "event 9 (hold.raised" in bad.stdout
    assert "what to do:" in bad.stdout
    assert "no signature" in bad.stdout
    assert "\x1b" not in bad.stdout
    assert project.tminus("record", "verify", ".git/HEAD").exit_code == 2

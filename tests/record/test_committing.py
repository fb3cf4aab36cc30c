"""Committing a record: it alone, with a message that sums up the phase, or a refusal that says what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.record_file import RecordFile
from state.replaying import replay
from tests.record.conftest import BERT, NAME, Project, evening, linked, said, seen
from tminus import committing
from tminus.commit_message import commit_message, subject
from tminus.committing import NotCommitted, commit_record
from tminus.verifying import verify

PATH = f"deployments/{NAME}"
hostile = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\n\r\x1b\u2028-:#")), max_size=80)


def message_of(events, extra: str = "") -> str:
    chain = linked(events)
    return commit_message(replay(chain), chain, PATH, extra=extra)


def test_the_message_sums_up_the_phase() -> None:
    first, blank, *rest = message_of(evening()).splitlines()
    assert (first, blank) == ("Record of Move: phase day passed, GO", "")
    assert rest[:3] == [
        "Verdicts: 1 pass, 1 warn",
        "Marks: 1 confirmed, 1 waived",
        "By: Anna (uid 1000), Bert (uid 1001)",
    ]
    assert "- copy: waived by Anna: the late row is known" in rest
    assert "- copy: warn: 40 rows, one late" in rest
    assert "- Bert: the customer calls (released by Bert)" in rest
    assert "- errors: tripped 1×, continue by Anna: a fault of the probe alone" in rest


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (evening()[:3], "Record of Move: begun, NO-GO"),
        (evening()[:7], "Record of Move: phase pre passed, GO"),
        (evening()[:9], "Record of Move: phase pre passed, HOLD"),
        (evening()[:15], "Record of Move: phase pre passed, HOLD"),
        ([*evening()[:15], said(10, "gate.decided", item="errors", to="roll-back")], "Record of Move: phase pre passed, ROLL BACK"),
        ([*evening(), said(40, "run.closed")], "Record of Move: signed off, GO"),
        (evening(rehearsal=True), "Rehearsal record of Move: phase day passed, GO"),
    ],
)  # fmt: skip
def test_the_subject_says_how_far_it_is_and_how_it_stands(events, said: str) -> None:
    assert subject(replay(linked(events))) == said


def test_a_run_that_was_closed_before_it_was_done_is_not_called_signed_off() -> None:
    message = message_of([*evening(), said(40, "run.closed", data={"open": ["sign", "watch"]})])
    assert message.startswith("Record of Move: closed with 2 open, NO-GO\n")
    assert "Left open when it was closed:\n- sign\n- watch\n" in message


def test_who_signed_is_in_the_message() -> None:
    signed = said(39, "mark", item="sign", to="confirmed", data={"role": "dba", "signer": "Dora", "evidence": "e"})
    assert f"Signed:\n- sign: dba: Dora (attested by {signed.actor})\n" in message_of([*evening(), signed])


def test_a_rehearsal_says_that_it_is_one_and_words_of_the_committer_are_added() -> None:
    message = message_of(evening(rehearsal=True), extra="Seen by all.\n\nSigned-off-by: Eve <e@x>")
    assert "A rehearsal: nothing of it was done to the real system." in message
    assert "Seen by all." in message


@given(hostile, hostile, hostile)
def test_no_text_forges_a_trailer_or_a_line_of_its_own(title: str, reason: str, extra: str) -> None:
    forged = f"{reason}\n\nSigned-off-by: Eve <e@x>"
    message = message_of(
        [
            *evening(title=title),
            said(30, "mark", item="copy", to="waived", reason=forged),
            said(31, "hold.raised", BERT, reason=forged, data={"id": 2}),
            seen(32, "backup", "fail", forged),
        ],
        extra=extra,
    )
    head, *middle, trailers = message.removesuffix("\n").split("\n\n")
    assert len(head) <= 72
    assert "\n" not in head
    assert [line.partition(":")[0] for line in trailers.split("\n")] == ["Record", "Record-Events", "Record-Head"]
    heads = ("Verdicts: ", "Marks: ", "By: ", "- ", "Waived, ", "Not green:", "Holds:", "Gates:")
    own = {line for paragraph in middle for line in paragraph.split("\n") if not line.startswith(heads)}
    assert not any("Signed-off-by" in line for line in own)


def test_git_itself_finds_no_trailer_but_ours(project: Project) -> None:
    project.go_on(said(30, "hold.raised", reason="stop\n\nSigned-off-by: Eve <e@x>\n---\n", data={"id": 2}))
    commit_record(project.record, extra="--amend\n\nCo-authored-by: Eve <e@x>")
    trailers = project.git("log", "-1", "--format=%(trailers:only,unfold)").splitlines()
    assert [line.partition(":")[0] for line in trailers] == ["Record", "Record-Events", "Record-Head"]
    assert trailers[-1] == f"Record-Head: {project.events[-1].digest}"


def test_it_commits_the_record_and_leaves_alone_what_is_staged(project: Project) -> None:
    (project.folder / "other.py").write_text("staged\n")
    (project.folder / "checklist.toml").write_text("changed\n")
    project.git("add", "other.py")
    done = commit_record(project.record)
    assert done.new
    assert done.sha == project.git("rev-parse", "HEAD")
    assert project.git("show", "--format=", "--name-only") == PATH
    assert project.git("diff", "--cached", "--name-only") == "other.py"
    project.go_on(said(30, "note", reason="and on"))
    commit_record(project.record)
    assert project.git("show", "--format=", "--name-only") == PATH
    assert project.git("diff", "--cached", "--name-only") == "other.py"
    assert str(project.folder) not in project.git("log", "-2", "--format=%B")


def test_a_record_that_is_being_written_is_committed_as_it_was_last_saved(project: Project) -> None:
    record = RecordFile(project.record)
    record.append(said(30, "note", reason="only in the log yet"))
    told = project.tminus("record", "commit", PATH)
    assert told.exit_code == 0
    assert "events that are not in it yet" in told.stdout
    assert f"Record-Events: {len(evening())}" in project.git("log", "-1", "--format=%B")
    record.close()
    assert commit_record(project.record).new
    assert verify(project.record).git.commits == 2


def test_what_is_committed_already_needs_no_commit(project: Project) -> None:
    first = commit_record(project.record)
    again = commit_record(project.record)
    assert (again.new, again.sha) == (False, first.sha)


def test_the_hooks_run_and_may_refuse_and_then_nothing_is_left_behind(project: Project) -> None:
    project.hook("pre-commit", "echo 'no commits on Sundays' >&2; exit 1")
    with pytest.raises(NotCommitted, match="no commits on Sundays"):
        commit_record(project.record)
    assert project.git("status", "--porcelain") == "?? backups/\n?? deployments/"
    project.hook("pre-commit", "touch ran")
    commit_record(project.record)
    assert (project.folder / "ran").exists()


def test_what_a_hook_puts_into_the_commit_besides_is_told(project: Project) -> None:
    project.hook("pre-commit", "echo x > formatted.py; git add formatted.py")
    assert commit_record(project.record).also == ("formatted.py",)
    project.go_on(said(30, "note", reason="and on"))
    project.hook("pre-commit", "exit 0")
    assert commit_record(project.record).also == ()


def test_a_commit_that_never_ends_is_given_up_with_what_mends_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.hook("pre-commit", "sleep 60")
    monkeypatch.setattr(committing, "COMMIT", 0.4)
    with pytest.raises(NotCommitted, match="did not end within") as refused:
        commit_record(project.record)
    assert "passphrase" in refused.value.mend
    assert not (project.folder / ".git" / "index.lock").exists()
    assert project.git("status", "--porcelain") == "?? backups/\n?? deployments/"


def test_a_key_that_cannot_sign_ends_the_commit_and_is_never_passed_over(project: Project, tmp_path: Path) -> None:
    signer = tmp_path / "gpg"
    signer.write_text("#!/bin/sh\necho 'gpg: signing failed: Inappropriate ioctl for device' >&2\nexit 2\n")
    signer.chmod(0o755)
    project.git("config", "commit.gpgsign", "true")
    project.git("config", "gpg.program", str(signer))
    with pytest.raises(NotCommitted, match="gpg failed to sign") as refused:
        commit_record(project.record)
    assert "passphrase" in refused.value.mend
    assert project.git("log", "--format=%s") == "The checklist"


def test_a_commit_is_signed_if_git_is_set_to_sign(project: Project, tmp_path: Path) -> None:
    import subprocess

    key = tmp_path / "key"
    made = subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=False)
    if made.returncode:
        pytest.skip("no ssh-keygen")
    for name, value in (("commit.gpgsign", "true"), ("gpg.format", "ssh"), ("user.signingkey", str(key))):
        project.git("config", name, value)
    commit_record(project.record)
    assert "gpgsig -----BEGIN SSH SIGNATURE" in project.git("cat-file", "commit", "HEAD")


def the_merge(project: Project) -> None:
    project.git("switch", "-q", "-c", "side")
    project.git("commit", "-q", "--allow-empty", "-m", "side")
    project.git("switch", "-q", "main")
    project.git("merge", "-q", "--no-ff", "--no-commit", "side")


def the_ignored(project: Project) -> None:
    (project.folder / ".gitignore").write_text("deployments/\n")


def the_detached(project: Project) -> None:
    project.git("switch", "-q", "--detach")


def the_nameless(project: Project) -> None:
    config = project.folder / ".git" / "config"
    config.write_text(config.read_text().replace("name = Anna", "useConfigOnly = true").replace("email = ", "x = "))


def the_edited(project: Project) -> None:
    project.record.write_text(project.record.read_text().replace("Anna", "Eve", 1))


def the_homeless(project: Project) -> None:
    (project.folder / ".git").rename(project.folder / "not-git")


@pytest.mark.parametrize(
    ("spoil", "why", "mend"),
    [
        (the_merge, "a merge is under way", "git merge --continue or --abort"),
        (the_ignored, r"is ignored \(.gitignore:1:deployments/\)", "take that line out"),
        (the_detached, "no branch is checked out", "git switch"),
        (the_nameless, "git refused", "git config user.name"),
        (the_edited, "does not hold", "tminus record verify"),
        (the_homeless, "not a git repository", "git work tree"),
    ],
)
def test_what_stands_in_the_way_is_refused_with_what_mends_it(project: Project, spoil, why: str, mend: str) -> None:
    spoil(project)
    before = None if spoil is the_homeless else project.git("status", "--porcelain")
    with pytest.raises(NotCommitted, match=why) as refused:
        commit_record(project.record)
    assert mend in refused.value.mend
    if before is not None:
        assert project.git("status", "--porcelain") == before


def test_a_name_that_git_could_read_as_a_pattern_is_that_file_alone(project: Project) -> None:
    odd = project.record.with_name("2026-11-2*-move.toml")
    project.record.rename(odd)
    twin = project.record.with_name("2026-11-22-move.toml")
    twin.write_text("not this one\n")
    commit_record(odd)
    assert project.git("show", "--format=", "--name-only") == "deployments/2026-11-2*-move.toml"


def test_the_command_takes_the_newest_record_of_the_checklist(project: Project) -> None:
    phase = '[[phase]]\nid = "pre"\ntitle = "Pre"\n[[phase.step]]\ntitle = "S"\n[[phase.step.item]]\nid = "say"\ntext = "Say"\n'
    with (project.folder / "checklist.toml").open("a") as checklist:
        checklist.write(phase)
    first = project.tminus("record", "commit", "-m", "Well flown.")
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.endswith("Record of Move: phase day passed, GO\n")
    assert "Well flown." in project.git("log", "-1", "--format=%B")
    second = project.tminus("record", "commit")
    assert second.exit_code == 0
    assert second.stdout.startswith("nothing to commit")
    the_detached(project)
    assert project.tminus("record", "commit", PATH).exit_code == 1
    assert project.tminus("record", "commit", "nothing.toml").exit_code == 2

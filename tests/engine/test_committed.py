"""The engine commits the record: on request, and with the last signature where the checklist says so."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.conftest import Flying, until
from tminus.client import AddNote, Client, CommitRecord, Refused, SignOff, StopEngine
from tminus.places import place_of

CHECKLIST = """
schema = 1
title = "Signed"
commit = "at-sign-off"

[[role]]
id = "dev"
title = "Development Lead"

[[role]]
id = "dba"
title = "Database Admin"

[[phase]]
id = "end"
title = "The end"
  [[phase.step]]
  title = "Sign"
    [[phase.step.item]]
    id = "sign"
    text = "Everybody signs"
    signed_by = ["dev", "dba"]
"""


def git(folder: Path, *argv: str) -> str:
    return subprocess.run(["git", *argv], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flying]:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Anna")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "anna@example.org")
    git(tmp_path, "init", "-q", "-b", "main")
    path = tmp_path / "checklist.toml"
    path.write_text(CHECKLIST)
    (tmp_path / "staged").write_text("somebody is in the middle of something")
    git(tmp_path, "add", "staged")
    flying = Flying(path, place_of(path))
    flying.start()
    yield flying
    if flying.pid:
        flying.kill()


async def sign(client: Client, role: str, name: str) -> None:
    seen = client.view.items["sign"].evidence_digest
    await client.ask(SignOff(item="sign", role=role, evidence=seen, name=name))


async def test_the_record_is_committed_on_request_and_nothing_else(signed: Flying) -> None:
    folder = signed.checklist.parent
    async with signed.client() as client:
        await client.ask(AddNote(text="before the first commit"))
        reply = await client.ask(CommitRecord())
        again = await client.ask(CommitRecord())
    assert reply.data["kind"] == "record.committed"
    assert git(folder, "show", "--name-only", "--format=", "HEAD").split() == [str(signed.record.relative_to(folder))]
    assert git(folder, "diff", "--cached", "--name-only").split() == ["staged"]
    assert (reply.data["new"], again.data["new"]) == (True, False)


async def test_the_last_signature_commits_the_record_and_the_one_before_does_not(signed: Flying) -> None:
    folder = signed.checklist.parent
    async with signed.client("Anna") as client:
        await client.ask(AddNote(text="the driver is whoever acts first"))
        signed.tminus("drive", "--as", "Anna")
        await sign(client, "dev", "")
        assert git(folder, "log", "--oneline", "--all") == ""
        await sign(client, "dba", "Dora")
        await until(client, lambda v: v.items["sign"].settled)
        await client.ask(StopEngine())
    assert "Dora (attested by Anna)" in git(folder, "show", f"HEAD:{signed.record.relative_to(folder)}")


async def test_what_stands_against_a_commit_is_told_and_undoes_no_signature(signed: Flying) -> None:
    (signed.checklist.parent / ".gitignore").write_text("deployments/\n")
    async with signed.client("Anna") as client:
        signed.tminus("drive", "--as", "Anna")
        with pytest.raises(Refused, match="is ignored"):
            await client.ask(CommitRecord())
        await sign(client, "dev", "")
        await sign(client, "dba", "Dora")
        view = await until(client, lambda v: bool(v.run.trouble))
        assert "signed off, and not committed" in view.run.trouble
        assert view.items["sign"].settled

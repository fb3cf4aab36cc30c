"""What the stand-in keeps, and how a Blueprint changes it."""

from pathlib import Path

import pytest
import yaml

from rehearsal.render.book import Deploy, load_book
from rehearsal.render.code import synced_env
from rehearsal.render.shelf import make_book
from rehearsal.stage import APP_SOURCE, BEFORE

DATABASES = {"skymodder-db": "postgresql://app@127.0.0.1/app"}


def test_the_move_and_its_revert_change_the_database_and_keep_other_variables() -> None:
    before, after = (yaml.safe_load((folder / "render.yaml").read_text()) for folder in (BEFORE, APP_SOURCE))
    env = synced_env(before, "skymodder", {"MINE": "1"}, DATABASES)
    assert env["DATABASE_URL"].startswith("sqlite:///")
    moved = synced_env(after, "skymodder", env, DATABASES)
    assert (moved["DATABASE_URL"], moved["MINE"]) == (DATABASES["skymodder-db"], "1")
    assert synced_env(before, "skymodder", moved, DATABASES)["DATABASE_URL"] == env["DATABASE_URL"]
    assert synced_env(after, "another", env, DATABASES) == env
    assert synced_env({}, "skymodder", env, DATABASES) == env


def test_a_database_that_is_not_declared_is_a_mistake() -> None:
    after = yaml.safe_load((APP_SOURCE / "render.yaml").read_text())
    with pytest.raises(ValueError, match="skymodder-db"):
        synced_env(after | {"databases": []}, "skymodder", {}, DATABASES)


def test_a_book_is_as_it_was_left_but_for_what_was_under_way(tmp_path: Path) -> None:
    book = load_book(tmp_path / "book.json")
    make_book(book, {"port": 1, "staging_port": 2}, "postgresql://staging")
    with book.change():
        for status in ("live", "build_in_progress"):
            book.deploys.append(
                Deploy(f"dep-{status}", book.services[0].id, "api", "c", "m", "t", {"A": "1"}, status)
            )
    again = load_book(tmp_path / "book.json")
    assert (again.services, again.bases, again.owner) == (book.services, book.bases, book.owner)
    assert [one.status for one in again.deploys] == ["live", "canceled"]
    assert again.deploys[1].finished_at is not None
    assert (tmp_path / "book.json").stat().st_mode & 0o777 == 0o600

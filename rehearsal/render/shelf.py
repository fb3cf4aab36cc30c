"""What is on the stage from the beginning: two services and two databases; and what staging gets at first use."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from rehearsal.control import Layout
from rehearsal.render.book import Base, Book, Service, new_id
from rehearsal.render.instances import PRODUCTION, STAGING

DATABASE, STAGING_DATABASE = "skymodder-db", "skymodder-staging-db"
ON_SQLITE = "sqlite:///instance/app.db"


def make_book(book: Book, ports: Mapping[str, Any], staging_url: str) -> None:
    """Write the services and databases of the stage into a BOOK that has none. Staging runs on PostgreSQL, at
    STAGING_URL; production on SQLite, until something else is deployed."""
    if book.services:
        return
    with book.change():
        book.services = [
            Service(new_id("srv"), PRODUCTION, "main", ports["port"], env={"DATABASE_URL": ON_SQLITE}),
            Service(new_id("srv"), STAGING, "staging", ports["staging_port"], env={"DATABASE_URL": staging_url}),
        ]
        book.bases = [
            Base(new_id("dpg", "-a"), DATABASE, "app"),
            Base(new_id("dpg", "-a"), STAGING_DATABASE, "app_staging"),
        ]


def prepare_staging(layout: Layout) -> None:
    """A copy of the SQLite file for staging's disk, if there is none."""
    copy = layout.staging / "instance" / "app.db"
    if copy.exists():
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    unfinished = copy.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    source = sqlite3.connect(f"file:{layout.sqlite}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
    unfinished.rename(copy)

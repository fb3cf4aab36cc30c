"""Backup, copy and compare on every PostgreSQL that is installed; see servers.installed()."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench import sample
from tests.transfer import servers
from transfer.backup import backup
from transfer.comparing import compare
from transfer.copying import copy
from transfer.errors import Refused

SERVERS = servers.installed()

EXTRA_SQLITE = """
CREATE TABLE kinds (
  id INTEGER PRIMARY KEY, of_domain INTEGER, word TEXT, twice INTEGER AS (of_domain * 2), price NUMERIC(10, 2),
  at DATETIME, flag BOOLEAN, whole JSON, raw BLOB, big BIGINT, other INTEGER REFERENCES authors (id));
INSERT INTO kinds (id, of_domain, word, price, at, flag, whole, raw, big, other) VALUES
  (1, 3, 'naïve
  two', '12.50', '2024-02-29 12:00:00.000001', 1, '{"a": 1}', X'00ff', 9007199254740993, 1),
  (2, NULL, '', '-0.01', NULL, 0, NULL, X'', -9223372036854775808, NULL);
"""
EXTRA_POSTGRES = """
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN word AS varchar(40);
CREATE DOMAIN short AS word NOT NULL;
CREATE TABLE kinds (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, of_domain positive, word short,
  twice integer GENERATED ALWAYS AS (of_domain * 2) STORED, price NUMERIC(10, 2), at TIMESTAMP, flag BOOLEAN,
  whole JSONB, raw BYTEA, big BIGINT, other INTEGER REFERENCES authors (id) ON DELETE SET NULL,
  CONSTRAINT some_price CHECK (price > -1), CONSTRAINT one_word UNIQUE (word, id) DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX half ON articles (lower(slug) DESC, id) INCLUDE (title) WHERE published;
CREATE INDEX by_day ON articles ((created_at::date), author_id);
COMMENT ON INDEX half IS 'half of it';
COMMENT ON CONSTRAINT fk_parent ON articles IS 'a tree';
"""


@pytest.mark.parametrize("version", SERVERS)
def test_a_backup_is_copied_and_compares_equal(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.target.BIG", 10)  # so that keys and indexes are taken down and put back
    app = tmp_path / "app.db"
    sample.write(app, 380)
    with closing(sqlite3.connect(app)) as con:
        con.executescript(EXTRA_SQLITE)
    kept = backup(app, tmp_path / "backups").path
    with servers.server(SERVERS[version]) as at:
        url = servers.fresh(at.url(), sample.POSTGRES + EXTRA_POSTGRES)
        catalogue, empty = servers.execute(url, servers.CATALOGUE), servers.everything(url)
        assert copy(kept, url, dry_run=True).proof.equal
        assert servers.everything(url) == empty
        report = copy(kept, url)
        assert report.rows == 382
        assert report.proof.equal
        assert servers.execute(url, servers.CATALOGUE) == catalogue
        assert compare(kept, url).equal
        assert servers.execute(
            url,
            "INSERT INTO authors (email, name, active, joined_at, balance) VALUES ('n', 'n', true, now(), 0) RETURNING id",
        ) == [(21,)]
        assert servers.execute(url, "INSERT INTO kinds (word) VALUES ('n') RETURNING id") == [(3,)]
        servers.execute(url, "UPDATE kinds SET price = price + 0.01 WHERE id = 2")
        found = compare(kept, url)
        assert not found.equal
        assert ("kinds", "price") in {(d.table, d.column) for d in found.differences}
        with pytest.raises(Refused, match="hold rows"):
            copy(kept, url)


def test_the_servers_of_this_machine_are_found() -> None:
    assert servers.WHEEL in SERVERS.values()

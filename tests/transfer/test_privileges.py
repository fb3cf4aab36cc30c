"""Roles that may do less than everything: the owner suffices, anybody less is refused before anything is done."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench import sample
from tests.transfer import servers
from transfer import catalog, privileges
from transfer.comparing import compare
from transfer.copying import copy
from transfer.errors import Refused
from transfer.postgres import connect

Run = Callable[..., list[tuple[Any, ...]]]
ROLES = ("keeper", "writer", "reader")


@pytest.fixture(autouse=True)
def _all_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.target.BIG", 10)  # so that keys and indexes are taken down and put back


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    sample.write(path, 190)
    return path


@pytest.fixture
def as_role(database: str, run: Run) -> Callable[[str], str]:
    """The URL of a role: keeper owns the tables, writer has every privilege on them, reader may look."""
    for role in ROLES:
        run(
            database,
            f"DO $$BEGIN CREATE ROLE {role} LOGIN PASSWORD 'x'; EXCEPTION WHEN duplicate_object THEN NULL; END$$",
        )
    run(
        database,
        "GRANT CREATE, USAGE ON SCHEMA public TO keeper",
        f"SET ROLE keeper; {sample.POSTGRES}; RESET ROLE",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO writer",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO writer",
        "GRANT CREATE ON SCHEMA public TO writer",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader",
    )
    return lambda role: re.sub(r"//[^@]*@", f"//{role}:x@", database)


def lacking(url: str) -> tuple[str, ...]:
    with closing(connect(url)) as conn, conn.cursor() as cur:
        return privileges.lacking_to_fill(cur, [t.oid for t in catalog.tables(cur)])


def test_the_owner_of_the_tables_copies_without_being_superuser(
    app: Path, as_role: Callable[[str], str], database: str
) -> None:
    keeper = as_role("keeper")
    before = servers.execute(database, servers.CATALOGUE)
    assert lacking(keeper) == ()
    assert copy(app, keeper).proof.equal
    assert compare(app, keeper).equal
    assert servers.execute(database, servers.CATALOGUE) == before
    assert servers.execute(keeper, "SELECT nextval('authors_id_seq'), nextval('ballots_id_seq')") == [(21, 201)]


def test_a_role_that_may_read_compares_and_may_not_copy(
    app: Path, as_role: Callable[[str], str], database: str
) -> None:
    copy(app, as_role("keeper"))
    assert compare(app, as_role("reader")).equal
    before = servers.everything(database)
    with pytest.raises(Refused, match=r"permission denied for table|lacks ownership"):
        copy(app, as_role("reader"), allow_rows_in=["authors", "logins", "articles", "ballots"])
    assert servers.everything(database) == before


def test_a_role_with_every_privilege_but_ownership_is_refused_with_what_it_lacks(
    app: Path, as_role: Callable[[str], str], database: str
) -> None:
    before = servers.everything(database)
    with pytest.raises(Refused, match=r"owner"):
        copy(app, as_role("writer"))
    assert servers.everything(database) == before
    said = lacking(as_role("writer"))
    assert "public.authors: lacks ownership (the owner is keeper)" in said
    assert "authors_id_seq: lacks ownership (a sequence, which is set)" in said
    with pytest.raises(Refused, match=r"nothing was done: .*public\.articles: lacks ownership"):
        privileges.require(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("REVOKE CREATE ON SCHEMA public FROM keeper", "schema public: lacks CREATE (indexes are made anew)"),
        ("REVOKE TRUNCATE ON logins FROM keeper", "public.logins: lacks TRUNCATE"),
        (
            "CREATE TABLE mine (id int PRIMARY KEY, a int CONSTRAINT to_authors REFERENCES authors (id))",
            "public.mine: lacks ownership (the owner is postgres)",
        ),
        (
            "CREATE SEQUENCE odd; ALTER TABLE logins ALTER author_id SET DEFAULT nextval('odd')",
            "odd: lacks ownership (a sequence, which is set)",
        ),
        (
            "ALTER TABLE logins ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            "logins: row level security hides rows from this role",
        ),
        (
            "ALTER ROLE keeper SET default_transaction_read_only = on",
            "default_transaction_read_only is on for this role or database: switch it off, or use another role",
        ),
        (
            "CREATE SCHEMA other; CREATE TABLE other.seen (a int CONSTRAINT far REFERENCES public.authors (id))",
            "other.seen: lacks ownership (its foreign key far is taken down and put back)",
        ),
    ],
)
def test_one_thing_the_owner_may_not_do_is_named_and_refused_with_the_target_untouched(
    app: Path, as_role: Callable[[str], str], database: str, change: str, said: str
) -> None:
    keeper = as_role("keeper")
    assert lacking(keeper) == ()
    servers.execute(database, change)
    before = servers.everything(database)
    try:
        assert said in lacking(keeper)
        with pytest.raises(Refused):
            copy(app, keeper)
        assert servers.everything(database) == before
    finally:
        servers.execute(database, "ALTER ROLE keeper RESET ALL")


def test_rows_that_a_policy_hides_are_never_proven_equal(
    app: Path, as_role: Callable[[str], str], database: str
) -> None:
    copy(app, as_role("keeper"))
    servers.execute(
        database,
        "ALTER TABLE ballots ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY half ON ballots USING (id <= 200)",
        "INSERT INTO ballots SELECT id + 200, author_id, article_id, value, fraud, created_at, note FROM ballots",
    )
    assert servers.execute(as_role("reader"), "SELECT count(*) FROM ballots") == [(200,)]
    with pytest.raises(Refused, match=r"ballots: row level security hides rows"):
        compare(app, as_role("reader"))
    assert not compare(app, database).equal
    with closing(connect(as_role("reader"))) as conn, conn.cursor() as cur:
        oids = [t.oid for t in catalog.tables(cur)]
        assert privileges.lacking_to_read(cur, oids) == ("ballots: row level security hides rows from this role",)


def test_triggers_that_a_copy_would_set_off_are_told(database: str, run: Run) -> None:
    run(
        database,
        sample.POSTGRES,
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$",
        "CREATE TRIGGER a BEFORE INSERT OR UPDATE ON authors FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER b AFTER INSERT ON authors FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER c BEFORE TRUNCATE ON logins FOR EACH STATEMENT EXECUTE FUNCTION f()",
        "CREATE TRIGGER d BEFORE UPDATE ON logins FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TRIGGER e BEFORE INSERT ON logins FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE logins DISABLE TRIGGER e",
    )
    with closing(connect(database)) as conn, conn.cursor() as cur:
        found = catalog.triggers(cur)
    assert [(t.table, t.name, t.on, t.changes_rows) for t in found] == [
        ("authors", "a", "BEFORE INSERT FOR EACH ROW", True),
        ("authors", "b", "AFTER INSERT FOR EACH ROW", False),
        ("logins", "c", "BEFORE TRUNCATE FOR EACH STATEMENT", False),
    ]
    assert found[0].text == "trigger a (BEFORE INSERT FOR EACH ROW) may change or drop the rows that are sent"

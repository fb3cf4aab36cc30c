"""Forty-eight odd SQLite files: each is copied and read back equal, or refused with what and where. Never changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from tests.data import odd_cases
from tests.data.odd_expectations import EXPECTED, Expected, Rows, catalogue
from transfer.comparing import compare
from transfer.copying import CopyReport, copy
from transfer.errors import Refused
from transfer.rules import read_rules

Run = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def one_database(postgres_url: str, run: Run) -> Iterator[str]:
    """One for all cases: a database a case would take longer than the case."""
    run(postgres_url, "CREATE DATABASE odd_cases")
    yield urlunsplit(urlsplit(postgres_url)._replace(path="/odd_cases"))
    run(postgres_url, "DROP DATABASE odd_cases WITH (FORCE)")


@pytest.fixture
def empty(one_database: str, run: Run) -> str:
    run(one_database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return one_database


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("odd")

    def built(name: str) -> Path:
        path = folder / f"{name}.db"
        if not path.exists():
            odd_cases.build(name, str(path))
        return path

    return built


def probed(url: str, statement: str) -> Rows | str:
    """The rows of a statement, or what PostgreSQL said against it; committed, as an application would."""
    with closing(psycopg2.connect(url)) as conn, conn.cursor() as cur:
        try:
            cur.execute(statement)
            rows = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in cur.fetchall()]
            conn.commit()
        except psycopg2.Error as e:
            return str(e)
        return rows


def holds(url: str, expected: Expected, report: CopyReport) -> None:
    assert report.proof.equal
    for statement, rows in expected.probes:
        found = probed(url, statement)
        if isinstance(rows, str):
            assert isinstance(found, str), f"{statement} was not refused"
            assert rows in found
        else:
            assert found == rows, statement
    texts = [f.text for f in report.findings]
    for pattern in expected.told:
        assert any(re.search(pattern, t) for t in texts), (pattern, texts)
    untold = [t for t in texts if not any(re.search(p, t) for p in expected.told)]
    assert not untold


def test_every_case_has_an_expectation() -> None:
    assert list(EXPECTED) == list(odd_cases.CASES)
    assert len(EXPECTED) == 48
    assert all(e.refused or e.probes for e in EXPECTED.values())


@pytest.mark.parametrize("name", [n for n, e in EXPECTED.items() if not e.refused])
def test_it_is_copied_with_its_schema_and_reads_back_equal(
    name: str, empty: str, files: Callable[[str], Path]
) -> None:
    path = files(name)
    report = copy(path, empty, create_schema=True)
    assert compare(path, empty).equal
    holds(empty, EXPECTED[name], report)


@pytest.mark.parametrize("name", [n for n, e in EXPECTED.items() if e.refused])
def test_it_is_refused_by_name_and_nothing_is_left_behind(
    name: str, empty: str, run: Run, files: Callable[[str], Path]
) -> None:
    with pytest.raises(Refused, match=EXPECTED[name].refused):
        copy(files(name), empty, create_schema=True)
    assert run(empty, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]


@pytest.mark.parametrize("name", [n for n, e in EXPECTED.items() if e.rules])
def test_with_rules_it_is_copied_and_every_row_is_accounted_for(
    name: str, empty: str, files: Callable[[str], Path], tmp_path: Path
) -> None:
    path, expected = files(name), EXPECTED[name]
    rules, rejects = read_rules(expected.rules), tmp_path / "rejects.jsonl"
    report = copy(path, empty, create_schema=True, rules=rules, rejects=rejects)
    assert report.rejected == expected.left_out
    assert report.rows + report.rejected == sum(len(rows) for _, rows in odd_cases.CASES[name][1]) + (
        1 if odd_cases.CASES[name][2] else 0
    )
    assert rejects.exists() == bool(expected.left_out)
    holds(empty, expected, report)


def test_the_page_of_the_cases_is_current(repository: Path) -> None:
    page = repository / "docs" / "transfer-cases.md"
    assert page.read_text() == catalogue(), "run: python -m tests.data.odd_expectations > docs/transfer-cases.md"

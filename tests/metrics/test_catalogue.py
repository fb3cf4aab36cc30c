"""Every source says of itself what it reports and which keys it takes, and the page of them is made of that."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from metrics.catalogue import catalogue
from metrics.config import KINDS, build_sources, promised
from metrics.tables import Table

LEAST: dict[str, dict[str, Any]] = {
    "http": {"targets": [{"url": "http://127.0.0.1:1/"}]},
    "postgres": {"url": "postgresql://a@127.0.0.1:1/b"},
    "rows": {"url": "postgresql://a@127.0.0.1:1/b"},
    "pgbouncer": {"url": "postgresql://a@127.0.0.1:1/pgbouncer"},
    "pool": {"url": "http://127.0.0.1:1/metrics"},
    "prometheus": {"url": "http://127.0.0.1:1", "queries": {"up": "up"}},
    "sentry": {"token": "t", "organization": "o", "project": "1"},
    "render": {"token": "t", "service": "srv-1", "database": "dpg-1"},
    "log": {"path": "app.log"},
    "host": {"postgres_data": "data"},
    "locust": {},
}
UNITS = {"ratio", "ms", "count", "1/s", "bytes", "s"}


def test_the_page_of_the_sources_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text() == catalogue(), "python -m metrics.catalogue > docs/metrics.md"


@pytest.mark.parametrize("kind", KINDS)
def test_the_keys_that_are_documented_are_the_keys_that_are_asked_for(kind: str) -> None:
    module, table = import_module(f"metrics.sources.{kind}"), Table(f"metrics.{kind}", LEAST[kind])
    module.build(table)
    table.done()
    assert set(module.KEYS) == table.asked


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_promises_what_is_documented_in_a_unit_that_can_be_told(kind: str) -> None:
    (source,) = build_sources({kind: LEAST[kind]})
    documented = import_module(f"metrics.sources.{kind}").METRICS
    assert set(source.metrics) == promised(kind, LEAST[kind])
    assert set(source.metrics) <= set(documented) | {"prometheus.up"}
    assert {face.unit for face in source.metrics.values()} <= UNITS | {""}
    assert all(face.label and face.about for face in documented.values())
    assert source.interval > 0


def test_a_second_source_of_a_kind_reports_under_its_own_name() -> None:
    (source,) = build_sources({"worker": {"source": "log", "path": "w.log"}})
    assert source.name == "worker"
    assert set(source.metrics) == promised("worker", {"source": "log"})
    assert all(name.startswith("worker.") for name in source.metrics)

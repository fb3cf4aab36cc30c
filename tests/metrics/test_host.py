"""This host, and a PostgreSQL that runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from metrics.samples import Measurement
from metrics.sources.host import METRICS, HostSource, postmaster_of
from tests.transfer import servers


async def look(source: HostSource) -> dict[str, Measurement]:
    return {m.metric: m for m in await source.sample()}


@pytest.fixture(scope="module")
def running() -> Iterator[servers.Running]:
    with servers.server() as at:
        yield at


async def test_this_host_has_a_processor_memory_and_a_disk() -> None:
    source = HostSource()
    await source.start()
    await look(source)
    seen = await look(source)
    assert set(seen) == set(source.metrics) == set(METRICS) - {"host.postgres_cpu", "host.postgres_memory"}
    assert all(0 <= (seen[name].value or 0) <= 1 for name in ("host.cpu", "host.memory", "host.disk"))
    assert seen["host.disk"].value == pytest.approx(psutil.disk_usage(".").percent / 100, abs=0.02)
    assert seen["host.load"].value is not None and seen["host.swap"].value is not None


async def test_a_disk_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    seen = await look(HostSource(disk=tmp_path / "nowhere"))
    assert (seen["host.disk"].value, seen["host.disk"].error) == (None, "disk: No such file or directory")


async def test_a_local_postgresql_is_its_whole_tree_with_shared_memory_counted_once(running: servers.Running) -> None:
    source = HostSource(postgres_data=running.data)
    first = await look(source)
    assert first["host.postgres_cpu"].value is None
    sessions = [psycopg2.connect(running.url()) for _ in range(6)]
    for session in sessions:  # each touches the same shared pages
        session.cursor().execute("create temp table t as select generate_series(1, 60000) n; select sum(n) from t")
    seen = await look(source)
    tree = [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]
    resident = sum(process.memory_info().rss for process in tree)
    assert 0 < (seen["host.postgres_memory"].value or 0) < 0.8 * resident
    assert (seen["host.postgres_cpu"].value or 0) > 0
    assert seen["host.postgres_cpu"].detail["processes"] == len(tree)
    for session in sessions:
        session.close()


async def test_a_pid_file_that_was_left_over_is_not_believed(running: servers.Running, tmp_path: Path) -> None:
    lines = (running.data / "postmaster.pid").read_text().splitlines()
    assert postmaster_of(running.data).pid == running.pid
    for wrong in (["1", lines[1], lines[2]], [lines[0], lines[1], "1000000000"], ["99999999", *lines[1:]], ["x"]):
        (tmp_path / "postmaster.pid").write_text("\n".join(wrong))
        seen = await look(HostSource(postgres_data=tmp_path))
        assert seen["host.postgres_memory"].value is None
        assert "postmaster.pid" in seen["host.postgres_memory"].error

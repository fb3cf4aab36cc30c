"""The launcher starts a real server, changes nothing that is not its own, and leaves nothing behind."""

import os
import tempfile
import threading
from pathlib import Path

import psycopg2
import pytest

from rehearsal.postgres import (
    Postgres,
    PostgresError,
    create_database,
    running_postgres,
    start_postgres,
    stop_postgres,
)
from rehearsal.processes import alive


def modes(path: Path) -> dict[Path, tuple[int, int, int]]:
    return {p: (p.stat().st_mode, p.stat().st_uid, p.stat().st_gid) for p in (path, *path.parents)}


def ask(url: str, query: str) -> object:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return (cursor.fetchone() or [None])[0]
    finally:
        connection.close()


def test_the_role_app_owns_its_database_and_is_no_superuser(postgres: Postgres) -> None:
    assert ask(postgres.url, "SELECT current_user::text") == "app"
    assert (
        ask(postgres.url, "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname='app'")
        is False
    )
    owner = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = 'app'"
    assert ask(postgres.url, owner) == "app"
    assert str(ask(postgres.url, "SHOW server_version")).startswith("18.")
    assert ask(postgres.superuser_url, "SHOW max_connections") == "100"


def test_a_wrong_password_is_refused(postgres: Postgres) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(postgres.url.replace("app:", "app:x"))


def test_no_mode_of_a_parent_folder_changes_and_no_user_is_added(tmp_path: Path) -> None:
    watched = {**modes(tmp_path), **modes(Path("/tmp")), **modes(Path("/var/tmp"))}
    users = Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()
    with running_postgres(fsync=False) as server:
        watched_wheel = modes(server.bin_dir)
        assert {p: (p.stat().st_mode, p.stat().st_uid, p.stat().st_gid) for p in watched} == watched
        assert server.home.stat().st_mode & 0o777 == 0o700
        assert server.data_dir.stat().st_mode & 0o777 == 0o700
        if os.geteuid() == 0:
            assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        home, process = server.home, server.process
    assert modes(server.bin_dir) == watched_wheel
    assert (Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()) == users
    assert not home.exists()
    assert not alive(process)


def test_data_survives_a_stop_and_the_passwords_stay(tmp_path: Path) -> None:
    first = start_postgres(password="one", superuser_password="two")
    try:
        create_database(first.superuser_url, "kept")
        stop_postgres(first)
        stop_postgres(first)
        again = start_postgres(first.home, port=first.port, password="one", superuser_password="two")
        assert again.url == first.url
        assert ask(again.superuser_url, "SELECT count(*) FROM pg_database WHERE datname = 'kept'") == 1
        stop_postgres(again)
    finally:
        stop_postgres(first, remove=True)


def test_a_server_started_from_a_thread_outlives_the_thread() -> None:
    made: list[Postgres] = []
    thread = threading.Thread(target=lambda: made.append(start_postgres(fsync=False)))
    thread.start()
    thread.join()
    try:
        assert ask(made[0].url, "SELECT 1") == 1
    finally:
        stop_postgres(made[0], remove=True)


def test_a_setting_that_is_wrong_is_said_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="tm-", dir="/tmp") as alone:
        Path(alone).chmod(0o755)  # PostgreSQL runs as somebody else than root
        monkeypatch.setattr(tempfile, "tempdir", alone)
        with pytest.raises(PostgresError, match="no_such_setting"):
            start_postgres(settings={"no_such_setting": "1"})
        assert not list(Path(alone).iterdir())

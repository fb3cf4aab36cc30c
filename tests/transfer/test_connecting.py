"""Ways to a server, and ways not to get there: each said with what to do, none with the password."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import sample
from tests.transfer import servers
from transfer import pulse
from transfer.comparing import compare
from transfer.copying import copy
from transfer.errors import Cancelled, CouldNotLook, Refused, TransferError
from transfer.postgres import cancelling, connect
from transfer.progress import Progress
from transfer.urls import describe_url, parameters, without_secret

Run = Callable[..., list[tuple[Any, ...]]]
CANARY = "s3cr3t-çanary"
ODD = [f"{CANARY}%:/@ #?&=+", f"{CANARY}'\"\\", f"{CANARY} 東京 🚀", f"@{CANARY}", f"{CANARY}%40"]


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Running]:
    hba = "local all all trust\nhost all keyed 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
    with servers.server(settings={"max_connections": "8", "reserved_connections": "0"}, hba=hba) as at:
        servers.execute(at.url(), "CREATE ROLE keyed LOGIN SUPERUSER", "CREATE ROLE plain LOGIN")
        yield at


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    sample.write(path, 380)
    return path


def said_of(url: str, kind: type[TransferError] = CouldNotLook) -> str:
    with pytest.raises(kind) as caught:
        connect(url, connect_timeout=2).close()
    said = str(caught.value)
    assert CANARY not in said
    assert quote(CANARY) not in said
    return said


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "PostgreSQL"])
def test_every_usual_scheme_connects(server: servers.Running, scheme: str) -> None:
    with closing(connect(f"{scheme}://{server.url().partition('://')[2]}")) as conn:
        assert conn.info.dbname == "postgres"


@pytest.mark.parametrize("password", ODD)
def test_a_password_of_any_characters_connects_and_a_wrong_one_is_not_said(
    server: servers.Running, password: str
) -> None:
    with closing(psycopg2.connect(server.url())) as conn, conn, conn.cursor() as cur:
        cur.execute("ALTER ROLE keyed PASSWORD %s", (password,))
    connect(server.url("keyed", password=quote(password, safe=""))).close()
    said = said_of(server.url("keyed", password=quote(password + "x", safe="")))
    assert "password authentication failed" in said
    assert "See the role and its password" in said


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:p@{CANARY}@h/db",
        f"postgresql://u:p/{CANARY}@h/db",
        f"postgresql://u:p@x/{CANARY}@h/db",
        f"postgresql://u:{CANARY}%zz@h/db",
        f"postgresql://u:{CANARY}",
        f"mysql://u:{CANARY}@h/db",
        f"host=h password={CANARY}",
        f"postgresql://u:{CANARY}@h/db?pgbouncer=true",
        f"postgresql://u:{CANARY}@h:port/db",
        f"postgresql://u:{CANARY}@h/db\0",
        f"postgresql://u:{CANARY}@h/db\n",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_a_piece_of_it(url: str) -> None:
    said_of(url, Refused)
    with pytest.raises(Refused):
        describe_url(url)


def test_an_option_that_postgresql_does_not_know_is_named() -> None:
    assert "pgbouncer=" in said_of("postgresql://u:p@h/db?pgbouncer=true", Refused)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://u:p@h/db", "h:5432/db as u"),
        ("postgresql://u@[::1]:77/db", "[::1]:77/db as u"),
        ("postgresql://u@%2Frun%2Fpg/db", "/run/pg:5432/db as u"),
        ("postgresql:///db?host=/run/pg&port=78&user=u", "/run/pg:78/db as u"),
        ("postgresql://a:1,b:2/db?user=u", "a:1,b:2/db as u"),
        ("postgresql://u:p@h/db?sslmode=require&password=q", "h:5432/db as u"),
    ],
)
def test_where_a_url_leads_is_said_without_its_password(url: str, where: str) -> None:
    assert describe_url(url) == where


@given(st.text(min_size=4, alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_password_stays_in_a_text(password: str) -> None:
    encoded = quote(password, safe="")
    for url in (f"postgresql://u:{encoded}@h/db", f"postgresql://u@h/db?password={encoded}"):
        assert parameters(url)["password"] == password
        told = without_secret(f"<{password}> <{encoded}>", url)
        assert password not in told.replace("***", "") or password in "<> "


def test_a_unix_socket_is_a_way_in(server: servers.Running) -> None:
    url = f"postgresql://postgres@{quote(str(server.home), safe='')}:{server.port}/postgres"
    with closing(connect(url)) as conn:
        assert conn.info.host == str(server.home)
    assert "No such Unix socket" in said_of(url.replace(str(server.port), "1"))


def test_what_is_missing_is_named_with_what_to_do(server: servers.Running) -> None:
    assert "Create the database" in said_of(server.url(database="nowhere"))
    assert "Create the role" in said_of(server.url(user="nobody_here"))
    assert "Nothing listens there" in said_of("postgresql://u@127.0.0.1:1/db")
    assert "server has not" in said_of(server.url() + "?sslmode=require")


def test_a_server_with_every_connection_taken_says_so(server: servers.Running) -> None:
    held: list[Any] = []
    try:
        with suppress(psycopg2.OperationalError):
            for _ in range(9):
                held.append(psycopg2.connect(server.url("plain")))
        assert "Every connection is taken" in said_of(server.url("plain"))
    finally:
        for conn in held:
            conn.close()
    servers.until(
        lambda: (
            servers.execute(server.url(), "SELECT count(*) FROM pg_stat_activity WHERE usename = 'plain'") == [(0,)]
        )
    )


def test_a_server_that_starts_up_or_only_reads_is_refused_with_the_reason(app: Path) -> None:
    with servers.server() as at:
        url = servers.fresh(at.url(), sample.POSTGRES)
        servers.execute(url, f"ALTER DATABASE {url.rsplit('/', 1)[1]} SET default_transaction_read_only = on")
        with pytest.raises(Refused, match=r"default_transaction_read_only is on.*switch it off"):
            copy(app, url)
        servers.stop(at)
        (at.data / "standby.signal").touch()
        servers.start(at, {"restore_command": "false", "hot_standby": "on"})
        assert not compare(app, url).equal
        with pytest.raises(Refused, match=r"standby.*use the primary"):
            copy(app, url)
        servers.stop(at)
        servers.start(at, {"restore_command": "sleep 3"}, wait=False)  # which comes before anything else
        servers.until(lambda: "starting up" in _refusal(at))
        assert "The server is starting" in said_of(url)


def _refusal(at: servers.Running) -> str:
    try:
        psycopg2.connect(at.url()).close()
    except psycopg2.Error as e:
        return str(e)
    return ""


def test_a_lock_that_another_session_holds_is_refused_with_its_holder(
    app: Path, server: servers.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = servers.fresh(server.url(), sample.POSTGRES)
    monkeypatch.setattr(connect, "__kwdefaults__", connect.__kwdefaults__ | {"lock_timeout": 0.2})
    tables = ("articles", "authors", "ballots", "logins")
    servers.execute(url, *(f"ALTER TABLE {t} OWNER TO plain" for t in tables), "GRANT ALL ON SCHEMA public TO plain")
    before = servers.everything(url)
    holder = psycopg2.connect(url, application_name="the old app")
    with closing(holder), holder.cursor() as cur:
        cur.execute("SELECT count(*) FROM articles")
        with pytest.raises(Refused) as caught:
            copy(app, url)
        said = str(caught.value)
        assert (
            f"pid {holder.info.backend_pid} (the old app, role postgres, idle in transaction, query started 20"
            in said
        )
        assert "on articles" in said
        unprivileged = url.replace("//postgres@", "//plain@")
        with pytest.raises(
            Refused, match=rf"pid {holder.info.backend_pid} \(the old app, role postgres, state not shown"
        ):
            copy(app, unprivileged)
    assert servers.everything(url) == before


def test_timeouts_that_a_role_has_set_do_not_end_a_copy(app: Path, server: servers.Running) -> None:
    url = servers.fresh(server.url(), sample.POSTGRES)
    name = url.rsplit("/", 1)[1]
    for setting in ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
        servers.execute(url, f"ALTER DATABASE {name} SET {setting} = '50ms'")
    assert copy(app, url).proof.equal


def test_a_server_that_falls_silent_midway_is_noticed_and_keeps_nothing(
    app: Path, server: servers.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "RHYTHM", pulse.Rhythm(every=0.1, patience=2, silences=1))
    monkeypatch.setattr("transfer.target.BIG", 10)
    url = servers.fresh(server.url(), sample.POSTGRES)
    before = servers.everything(url)
    with servers.proxy(server.port) as between:

        def strike(p: Progress) -> None:
            if p.stage == "index":
                between.silent.set()

        with pytest.raises(CouldNotLook, match=r"did not answer for \d+ s"):
            copy(app, url.replace(str(server.port), str(between.port)), progress=strike)
        assert between.silent.is_set()
    servers.until(lambda: servers.sessions(url) == 0)
    assert servers.everything(url) == before
    assert copy(app, url).proof.equal


def test_a_statement_that_takes_long_is_no_silence(server: servers.Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "RHYTHM", pulse.Rhythm(every=0.05, patience=2, silences=1))
    conn = connect(server.url())
    with closing(conn), conn.cursor() as cur:
        cur.execute("SELECT pg_sleep(0.5), 1")
        assert cur.fetchall() == [("", 1)]


def test_a_wish_to_stop_is_met_even_when_the_server_is_silent(
    server: servers.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer.postgres.GRACE", 0.3)
    with servers.proxy(server.port) as between:
        url = f"postgresql://postgres@127.0.0.1:{between.port}/postgres"
        conn = connect(url)
        asked = threading.Event()
        stopped = pytest.raises(Cancelled)
        with closing(conn), conn.cursor() as cur, stopped, cancelling(conn, asked.is_set):
            between.silent.set()
            asked.set()
            cur.execute("SELECT 1")


openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
WITH_TLS = [p for p in servers.installed().values() if b"SSL_CTX_new" in (p / "postgres").read_bytes()]


@openssl
@pytest.mark.skipif(not WITH_TLS, reason="no server that was built with TLS is installed")
def test_tls_is_verified_and_a_wrong_ca_is_said_with_what_to_do(app: Path, tmp_path: Path) -> None:
    ca, other = _authority(tmp_path / "ca"), _authority(tmp_path / "other")
    certificate, key = _certificate(tmp_path, ca, "localhost")
    with servers.server(WITH_TLS[-1]) as at:
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            shutil.copy(source, at.data / name)
            servers.give(at.data / name, 0o600)
        (at.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
        servers.stop(at)
        servers.start(at, {"ssl": "on"})
        socket = f"postgresql://postgres@{quote(str(at.home), safe='')}:{at.port}/postgres"
        servers.execute(socket, "CREATE DATABASE app")
        servers.execute(socket.replace("/postgres", "/app").replace("//app", "//postgres"), sample.POSTGRES)
        host = f"postgresql://postgres@localhost:{at.port}/app?hostaddr=127.0.0.1&sslmode"
        assert copy(app, f"{host}=verify-full&sslrootcert={ca}/ca.crt").proof.equal
        assert compare(app, f"{host}=require").equal
        said = said_of(f"{host}=verify-full&sslrootcert={other}/ca.crt")
        assert "certificate verify failed" in said
        assert "sslrootcert=" in said
        assert "sslrootcert=" in said_of(f"{host}=verify-full&sslrootcert={tmp_path}/none.crt")
        misnamed = host.replace("localhost", "otherhost")
        assert "host name that the certificate is for" in said_of(f"{misnamed}=verify-full&sslrootcert={ca}/ca.crt")
        assert "sslmode=require" in said_of(f"{host}=disable")


def _openssl(*argv: str) -> None:
    done = subprocess.run(["openssl", *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _authority(folder: Path) -> Path:
    folder.mkdir()
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
        *("-subj", f"/CN={folder.name}", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt"),
    )
    return folder


def _certificate(folder: Path, ca: Path, host: str) -> tuple[Path, Path]:
    request, key, certificate = folder / "server.csr", folder / "server.key", folder / "server.crt"
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}"),
        *("-keyout", str(key), "-out", str(request)),
    )
    _openssl(
        *("x509", "-req", "-in", str(request), "-CA", f"{ca}/ca.crt", "-CAkey", f"{ca}/ca.key", "-CAcreateserial"),
        *("-days", "2", "-out", str(certificate)),
    )
    return certificate, key

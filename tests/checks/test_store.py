"""Keeping a backup elsewhere: in a folder, in a real S3's stand-in, in a Google Cloud Storage's; never half of it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import socketserver
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import boto3
import pytest
from moto.server import ThreadedMotoServer

from checks import places
from checks.contract import Context, Stopped
from checks.places import Bucket, Folder, PlaceError
from checks.store import store
from state.verdicts import Outcome, Verdict
from transfer.backup import backup as make_backup
from transfer.manifest import manifest_path

KEY, SECRET = "AKIACANARY", "canary-hunter2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup with its manifest, outside of any application's folder."""
    folder = tmp_path_factory.mktemp("made")
    with closing(sqlite3.connect(folder / "app.db")) as con, con:
        con.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        con.executemany("INSERT INTO users (name) VALUES (?)", [(f"user {n}",) for n in range(500)])
    kept = folder / "backups"
    kept.mkdir()
    return make_backup(folder / "app.db", kept).path


@pytest.fixture
def ctx(tmp_path: Path, made: Path) -> Context:
    project = tmp_path / "project"
    project.mkdir(exist_ok=True)  # `look` has the same
    schema = project / "schema.sql"
    schema.write_text("CREATE TABLE users (id);")
    evidence = {
        "final": Outcome.passed("made", evidence={"path": str(made)}),
        "schema": Outcome.passed("made", evidence={"path": str(schema)}),
    }
    return Context(item="item", project=project, artefacts=project, evidence=evidence)


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """The options of an S3 with the bucket `kept`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET
    )
    client.create_bucket(Bucket="kept")
    yield {"endpoint": endpoint, "region": "us-east-1", "access_key_id": KEY, "secret_access_key": SECRET}
    server.stop()


async def test_a_folder_outside_takes_the_backup_its_manifest_and_more_for_the_owner_alone(look, ctx, made):
    vault = ctx.project.parent / "vault"
    with_ = {"backup": "final", "to": str(vault), "also": ["schema"], "app": str(ctx.project)}
    plan = await look.plan("backup.store", with_, evidence=ctx.evidence)
    assert made.name in plan.lines[0]
    assert plan.target == str(vault)
    assert not vault.exists()
    outcome = await look("backup.store", with_, evidence=ctx.evidence)
    assert outcome.verdict is Verdict.WARN, outcome  # the same disk
    assert "same disk" in outcome.actual
    assert {path.name for path in vault.iterdir()} == {made.name, manifest_path(made).name, "schema.sql"}
    assert sha(vault / made.name) == sha(made)
    assert outcome.evidence[made.name] == f"sha256 {sha(made)}"
    assert vault.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in vault.iterdir())
    assert look.steps


def test_another_disk_is_good_and_a_second_time_changes_nothing(ctx, made, monkeypatch):
    vault = Path("/dev/shm") / f"vault-{os.getpid()}"
    if not vault.parent.is_dir() or vault.parent.stat().st_dev == made.stat().st_dev:
        pytest.skip("no second disk here")
    try:
        assert store(ctx, backup="final", to=str(vault)).verdict is Verdict.PASS
        before = {path: path.stat().st_mtime_ns for path in vault.iterdir()}
        again = store(ctx, backup="final", to=str(vault))
        assert again.verdict is Verdict.PASS
        assert "there already" in str(again.evidence[made.name])
        assert {path: path.stat().st_mtime_ns for path in vault.iterdir()} == before
        (vault / made.name).write_bytes(b"another")
        other = store(ctx, backup="final", to=str(vault))
        assert other.verdict is Verdict.FAIL
        assert "another" in other.actual
        assert (vault / made.name).read_bytes() == b"another"
    finally:
        for path in vault.iterdir():
            path.unlink()
        vault.rmdir()


def test_a_place_that_is_no_other_place_or_open_to_all_is_refused(ctx, made, tmp_path):
    open_ = tmp_path / "open"
    open_.mkdir()
    open_.chmod(0o755)
    for to, said in (
        (str(made.parent), "where the backup is already"),
        ("kept", "application's own folder"),
        (str(open_), "everybody may look into it (mode 0755)"),
    ):
        outcome = store(ctx, backup="final", to=to)
        assert outcome.verdict is Verdict.FAIL, outcome
        assert said in outcome.actual
    assert list(open_.iterdir()) == []
    open_.chmod(0o750)
    assert "the group" in store(ctx, backup="final", to=str(open_)).actual


def test_what_is_not_configured_or_not_there_is_unknown(ctx, made, tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for to, backup, said in (
        (None, "final", "no place"),
        ("", "final", "no place"),
        ("s3://kept/x", "final", "no credentials"),
        ("gs://kept/x", "final", "no credentials"),
        ("/x", "gone", "no backup"),
    ):
        outcome = store(ctx, backup=backup, to=to)
        assert outcome.verdict is Verdict.UNKNOWN, outcome
        assert said in outcome.actual
        assert outcome.hint
    bare = tmp_path / "bare.db"
    bare.write_bytes(made.read_bytes())
    assert "no manifest" in store(ctx, backup=str(bare), to=str(tmp_path / "v")).actual


def test_a_backup_that_is_not_what_it_was_is_not_stored(ctx, made, tmp_path):
    copy = tmp_path / "torn" / made.name
    copy.parent.mkdir()
    copy.write_bytes(made.read_bytes()[:-10])
    manifest_path(copy).write_bytes(manifest_path(made).read_bytes())
    outcome = store(ctx, backup=str(copy), to=str(tmp_path / "vault"))
    assert outcome.verdict is Verdict.FAIL
    assert not (tmp_path / "vault").exists()


def test_a_bucket_takes_it_and_gives_it_back(ctx, made, s3):
    where = "s3://kept/app/2026"
    outcome = store(ctx, backup="final", to=where, also=["schema"], options=s3)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["files"] == 3
    assert SECRET not in repr(outcome)
    again = store(ctx, backup="final", to=where, options=s3)
    assert "there already" in str(again.evidence[made.name])
    bucket = Bucket(where, s3)
    other = ctx.project / "other"
    other.write_bytes(b"another")
    with pytest.raises(PlaceError, match="there already"):
        bucket.put(made.name, other, lambda count: None)
    assert bucket.sha256(made.name, lambda count: None) == sha(made)


def test_a_large_file_goes_in_parts_and_one_that_is_cancelled_leaves_nothing(ctx, s3, monkeypatch):
    monkeypatch.setattr(places, "_AT_ONCE", 1024)
    large = ctx.project / "large"
    large.write_bytes(os.urandom(11 * 1024 * 1024))
    bucket, counted = Bucket("s3://kept/large", s3), []
    bucket.put("large", large, counted.append)
    assert sum(counted) == large.stat().st_size
    assert bucket.sha256("large", counted.append) == sha(large)

    def stop(count: int) -> None:
        counted.append(count)
        if len(counted) > 6:  # in the second part
            raise Stopped("cancelled")

    counted.clear()
    with pytest.raises((PlaceError, Stopped)):
        bucket.put("stopped", large, stop)
    assert bucket.sha256("stopped", lambda count: None) is None


@pytest.mark.parametrize(
    ("to", "more", "verdict", "said"),
    [
        ("s3://not-there/x", {}, "fail", "s3://not-there is not there"),
        ("s3://", {}, "error", "no bucket is named"),
        ("s3://kept/x", {"endpoint": "http://s3.example"}, "error", "https"),
        ("s3://kept/x", {"endpoint": "http://127.0.0.1:1"}, "error", "no answer"),
        ("s3://kept/x", {"colour": "red"}, "error", "options"),
        ("gs://kept/x", {"service_account_key": "[1]"}, "error", "not a key"),
        ("gs://kept/x", {"service_account_key": '{"gcs_base_url": "http://g.example"}'}, "error", "https"),
        ("ftp://kept/x", {}, "error", "ftp:// is not known"),
    ],
)
def test_a_bucket_that_is_not_there_or_not_reached(ctx, s3, to, more, verdict, said):
    outcome = store(ctx, backup="final", to=to, options=s3 | more)
    assert outcome.verdict == verdict, outcome
    assert said in outcome.actual
    assert SECRET not in repr(outcome)


class Cloud:
    """An object store of few words: `objects` by path; `deny` answers 403, `cut` ends in the middle of an upload,
    `forget` takes what it does not keep, `spoil` keeps something else."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.mode = ""
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                if cloud.mode == "cut":
                    self.rfile.read(10)
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if cloud.mode == "deny":
                    self._say(
                        403, b"<Error><Code>AccessDenied</Code><Message>" + SECRET.encode() + b"</Message></Error>"
                    )
                    return
                if cloud.mode != "forget":
                    cloud.objects[unquote(self.path)] = content[:-1] if cloud.mode == "spoil" else content
                self._say(200, b"")

            def do_GET(self) -> None:
                found = cloud.objects.get(unquote(self.path))
                self._say(404, b"<Error><Code>NoSuchKey</Code></Error>") if found is None else self._say(200, found)

            def _say(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("ETag", '"x"')
                self.send_header("Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, address: object) -> None: ...

        self.server: socketserver.BaseServer = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def s3(self) -> dict[str, str]:
        return {"endpoint": self.url, "region": "us-east-1", "access_key_id": KEY, "secret_access_key": SECRET}

    @property
    def gs(self) -> dict[str, str]:
        key = {
            "gcs_base_url": self.url,
            "disable_oauth": True,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        }
        return {"service_account_key": json.dumps(key)}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    it = Cloud()
    yield it
    it.server.shutdown()
    it.server.server_close()


@pytest.mark.parametrize(
    ("mode", "verdict", "said"),
    [
        ("deny", "fail", "denied (status 403, AccessDenied)"),
        ("cut", "error", "no answer"),
        ("forget", "fail", "is not there after it was stored"),
        ("spoil", "fail", "is not the same"),
    ],
)
def test_an_upload_that_is_denied_cut_or_lost_is_never_good(ctx, made, cloud, mode, verdict, said):
    cloud.mode = mode
    outcome = store(ctx, backup="final", to="s3://kept/app", options=cloud.s3)
    assert outcome.verdict == verdict, outcome
    assert said in outcome.actual
    assert SECRET not in repr(outcome)
    assert not any(manifest_path(made).name in path for path in cloud.objects)


def test_google_cloud_storage_takes_it_too(ctx, made, cloud):
    outcome = store(ctx, backup="final", to="gs://kept/app", options=cloud.gs)
    assert outcome.verdict is Verdict.PASS, outcome
    assert cloud.objects[f"/kept/app/{made.name}"] == made.read_bytes()
    cloud.mode = "deny"
    cloud.objects.clear()
    assert store(ctx, backup="final", to="gs://kept/app", options=cloud.gs).verdict is Verdict.FAIL


def test_a_folder_that_cannot_be_written_or_is_full_keeps_nothing_half(ctx, made, tmp_path, monkeypatch):
    vault = tmp_path / "vault"
    vault.mkdir(mode=0o700)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("checks.places.os.fsync", full)
    outcome = store(ctx, backup="final", to=str(vault))
    assert outcome.verdict is Verdict.ERROR
    assert "No space left" in outcome.actual
    assert list(vault.iterdir()) == []


def test_a_cancellation_ends_it_and_keeps_nothing_half(ctx, made, tmp_path):
    ctx.cancelled.set()
    with pytest.raises(Stopped):
        store(ctx, backup="final", to=str(tmp_path / "vault"))
    assert list((tmp_path / "vault").iterdir()) == []

    def stop(count: int) -> None:
        raise Stopped("cancelled")

    with pytest.raises(Stopped):
        Folder(tmp_path / "vault").put("x", made, stop)
    assert list((tmp_path / "vault").iterdir()) == []


def test_without_the_library_it_is_an_error_with_the_mend(ctx, s3, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    outcome = store(ctx, backup="final", to="s3://kept/x", options=s3)
    assert outcome.verdict is Verdict.ERROR
    assert "tminus[store]" in outcome.hint

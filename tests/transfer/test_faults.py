"""A copy that is interrupted, in every way there is: the target is as before, the source untouched, a second try holds."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import sample
from tests.transfer import servers
from transfer.comparing import compare
from transfer.copying import copy
from transfer.durable import sha256_of
from transfer.errors import CouldNotLook, TransferError
from transfer.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
SEED = 20
CUTS = 12
KILLS = 2
# A copy in a process of its own, which tells each step and waits there for the word to go on.
CHILD = """
import sys
from pathlib import Path
from transfer import copying, target
target.BIG = 10
def told(p):
    print(p.stage, flush=True)
    sys.stdin.readline()
copying.copy(Path(sys.argv[1]), sys.argv[2], progress=told)
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Running]:
    with servers.server() as at:
        yield at


@pytest.fixture(scope="module")
def app() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.db"
        sample.write(path, 380)
        yield path


@pytest.fixture(autouse=True)
def _all_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.target.BIG", 10)  # so that keys and indexes are taken down and put back


@pytest.fixture
def target(server: servers.Running, app: Path) -> Iterator[str]:
    """An empty schema that must be found as it was, after which a second try holds, from an untouched source."""
    url = servers.fresh(server.url(), sample.POSTGRES, "SELECT nextval('authors_id_seq')")
    before, file = servers.everything(url), sha256_of(app)
    yield url
    servers.until(lambda: servers.sessions(url) == 0)
    assert servers.everything(url) == before
    assert copy(app, url).proof.equal
    assert sha256_of(app) == file


def by_way_of(url: str, port: int) -> str:
    head, _, database = url.rpartition("/")
    return f"{head.rpartition(':')[0]}:{port}/{database}"


def test_a_connection_cut_anywhere_keeps_nothing(server: servers.Running, target: str, app: Path) -> None:
    with servers.proxy(server.port) as between:
        assert copy(app, by_way_of(target, between.port), dry_run=True).proof.equal
        whole = dict(between.bytes)
    before = servers.everything(target)
    rng = random.Random(SEED)
    for _ in range(CUTS):
        way = rng.choice(["up", "up", "down"])
        at = rng.randrange(1, whole[way] - 200)  # the end of a dry run is its ROLLBACK
        struck = []

        def cut(direction: str, so_far: int, new: bytes, way: str = way, at: int = at) -> int | None:
            if direction != way or so_far + len(new) < at:
                return None
            struck.append(1)  # noqa: B023
            return at - so_far

        with servers.proxy(server.port) as between:
            between.cut = cut
            with pytest.raises(TransferError) as caught:
                copy(app, by_way_of(target, between.port), dry_run=True)
        assert struck, (way, at)
        assert isinstance(caught.value, CouldNotLook), (way, at, caught.value)
        servers.until(lambda: servers.sessions(target) == 0)
        assert servers.everything(target) == before, (way, at)


@pytest.mark.parametrize("arrives", [False, True])
def test_a_cut_at_the_commit_is_told_as_either_or_and_a_comparison_says_which(
    server: servers.Running, app: Path, arrives: bool
) -> None:
    url = servers.fresh(server.url(), sample.POSTGRES)
    before = servers.everything(url)
    with servers.proxy(server.port) as between:
        committing = []

        def cut(direction: str, so_far: int, new: bytes) -> int | None:
            if direction == "up" and new.endswith(b"COMMIT\0"):
                if not arrives:
                    return 0
                committing.append(1)
            # The answer to the COMMIT is lost, the COMMIT is not.
            return 0 if direction == "down" and committing else None

        def arm(p: Progress) -> None:
            between.cut = cut

        with pytest.raises(CouldNotLook, match="either wholly there or not at all"):
            copy(app, by_way_of(url, between.port), progress=arm)
    servers.until(lambda: servers.sessions(url) == 0)
    assert compare(app, url).equal is arrives
    if not arrives:
        assert servers.everything(url) == before
        assert copy(app, url).proof.equal


@pytest.mark.parametrize(
    ("how", "stage", "said"),
    [
        ("pg_terminate_backend", "copy", "ended the session"),
        ("pg_terminate_backend", "index", "ended the session"),
        ("pg_terminate_backend", "prove", "ended the session"),
        ("pg_cancel_backend", "copy", "was cancelled on the server"),  # between two statements it meets nothing
    ],
)
def test_a_session_that_an_administrator_ends_keeps_nothing(
    server: servers.Running, target: str, app: Path, how: str, stage: str, said: str
) -> None:
    def strike(p: Progress) -> None:
        if p.stage == stage:
            servers.execute(
                server.url(),
                f"SELECT {how}(pid) FROM pg_stat_activity WHERE application_name = 'tminus transfer'",
            )

    with pytest.raises(CouldNotLook, match=said):
        copy(app, target, progress=strike)


def test_a_server_that_is_killed_keeps_nothing_and_the_second_try_holds(app: Path) -> None:
    with servers.server() as at:
        url = servers.fresh(at.url(), sample.POSTGRES)
        for stage in ("copy", "index", "prove"):
            before = servers.everything(url)

            def strike(p: Progress, stage: str = stage) -> None:
                if p.stage == stage and (at.data / "postmaster.pid").exists():
                    servers.kill(at)

            with pytest.raises(CouldNotLook, match=r"127\.0\.0\.1"):
                copy(app, url, progress=strike)
            servers.start(at, {})
            assert servers.everything(url) == before
        assert copy(app, url).proof.equal


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_copy_whose_process_is_killed_at_any_step_keeps_nothing(
    server: servers.Running, target: str, app: Path, how: signal.Signals
) -> None:
    before = servers.everything(target)
    rng = random.Random(SEED + how)
    steps = _steps(app, target)
    for _ in range(KILLS):
        last = rng.randrange(1, steps)
        with _child(app, target) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            for _ in range(last):
                assert child.stdout.readline()
                child.stdin.write("on\n")
                child.stdin.flush()
            child.send_signal(how)
            child.stdin.close()
            child.stdout.read()
            assert child.wait(20) != 0
        servers.until(lambda: servers.sessions(target) == 0)
        assert servers.everything(target) == before, f"after step {last} of {steps}"


def _steps(app: Path, target: str) -> int:
    """How many steps a copy tells at least."""
    told: list[Progress] = []
    copy(app, target, dry_run=True, progress=told.append)
    return len({(p.stage, p.table, p.done == p.total) for p in told})


def _child(app: Path, target: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(app), target],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder on a file system of its own, of 1 MB, that the server may write to."""
    folder = Path(tempfile.mkdtemp(prefix="tminus-disk-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("a small file system can be mounted by root alone")
    try:
        servers.give(folder)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def test_a_disk_that_fills_up_is_said_and_keeps_nothing(
    server: servers.Running, app: Path, small_disk: Path, fill: Callable[[Path], None]
) -> None:
    url = servers.fresh(server.url(), sample.POSTGRES)
    servers.execute(url, f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    try:
        servers.execute(url, "ALTER TABLE articles SET TABLESPACE small")
        ballast = small_disk / "ballast"
        fill(ballast)
        before = servers.everything(url)
        with pytest.raises(CouldNotLook, match=r"No space left on device.*disk is full: make room"):
            copy(app, url)
        assert servers.everything(url) == before
        ballast.unlink()
        assert copy(app, url).proof.equal
    finally:
        servers.execute(server.url(), f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)", "DROP TABLESPACE small")


@pytest.fixture
def fill() -> Callable[[Path], None]:
    """Fills what is left of a file system, but for 16 kB."""

    def filled(ballast: Path) -> None:
        found = os.statvfs(ballast.parent)
        ballast.write_bytes(b"\0" * (found.f_bavail * found.f_frsize - 16384))

    return filled

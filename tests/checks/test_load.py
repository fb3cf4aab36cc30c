"""A load test by a real Locust, against a small server on the loopback and against the sample app."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from checks.contract import Context
from checks.processes import Ended
from checks.swarm.command import Load, argv_of
from checks.swarm.figures import Limits
from checks.swarm.judging import judged
from checks.swarm.running import Swarm
from state.verdicts import Outcome, Verdict

JOURNEYS = Path(__file__).parents[2] / "journeys.toml"
LOCUSTFILE = """
from locust import HttpUser, constant, task

class Somebody(HttpUser):
    wait_time = constant(0.02)

    @task
    def front(self):
        self.client.get("/")
"""


class Server(http.server.ThreadingHTTPServer):
    """Answers after DELAY seconds, every FAILING-th time with 500; HEARD are the paths that were asked for."""

    delay, failing = 0.0, 0
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        self.server.heard.append(self.path)
        time.sleep(self.server.delay)
        bad = self.server.failing and len(self.server.heard) % self.server.failing == 0
        self.send_response(500 if bad else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def servers() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server(servers: Server) -> Server:
    servers.delay, servers.failing = 0.0, 0
    servers.heard.clear()
    return servers


@pytest.fixture
def load(look, server):
    """`await load(users=3)` -> Outcome of a short load test of SERVER by LOCUSTFILE."""

    async def loaded(text: str = LOCUSTFILE, cancel: asyncio.Event | None = None, **with_: object) -> Outcome:
        (look.project / "visitors.py").write_text(text)
        given = {"base_url": server.url, "locustfile": "visitors.py", "users": 2, "spawn_rate": 10, "duration": "2s"}
        return await look("load.locust", {**given, "min_requests": 20, "p95": "5s", **with_}, cancel=cancel)

    return loaded


def of_load() -> list[psutil.Process]:
    """Every Locust that this process has started and that lives."""
    found = []
    for one in psutil.Process().children(recursive=True):
        try:
            if one.status() != psutil.STATUS_ZOMBIE and "locust" in " ".join(one.cmdline()):
                found.append(one)
        except psutil.Error:
            continue
    return found


async def test_a_load_that_keeps_its_limits_passes_with_its_figures(load, look, server):
    outcome = await load()
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["requests"] == len(server.heard)
    assert outcome.evidence["failures"] == 0
    assert outcome.evidence["users"] == 2
    assert 0 < outcome.evidence["p50 ms"] <= outcome.evidence["p95 ms"]
    assert outcome.evidence["rps"] > 0
    assert any("2 users" in step.what and "p95" in step.what for step in look.steps)
    assert any("0 of" in line and "failed" in line for line in look.lines)
    assert not list((look.project / "artefacts").iterdir())
    assert "locust" not in sys.modules


async def test_too_many_failures_fail_and_are_named(load, server):
    server.failing = 4
    outcome = await load(duration="1s")
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "at most 1% may" in outcome.actual
    assert "GET /" in outcome.evidence["failure 1"]
    assert "500" in outcome.evidence["failure 1"]


async def test_answers_that_are_too_slow_fail(load, server):
    server.delay = 0.03
    outcome = await load(p95="10ms")
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "at most 10 ms may be" in outcome.actual
    assert outcome.evidence["failures"] == 0


async def test_visitors_who_ask_for_nothing_are_unknown(load):
    idle = LOCUSTFILE.replace('self.client.get("/")', "pass").replace("0.02", "0.5")
    outcome = await load(idle, duration="1s", users=1)
    assert (outcome.verdict, outcome.actual) == (Verdict.UNKNOWN, "not one request was made")


async def test_a_broken_locustfile_is_an_error_with_its_message(load):
    outcome = await load("import no_such_module_here\n")
    assert outcome.verdict is Verdict.ERROR
    assert "No module named 'no_such_module_here'" in outcome.actual


async def test_a_target_that_is_down_fails_and_ends_early(load):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        outcome = await load(base_url=f"http://127.0.0.1:{closed.getsockname()[1]}", duration="60s")
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "stopped early" in outcome.actual
    assert "refused" in outcome.evidence["failure 1"]
    assert not of_load()


async def test_an_interpreter_without_locust_is_an_error_with_the_mend(load, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    outcome = await load(python=str(tmp_path / "bare" / "bin" / "python"))
    assert (outcome.verdict, outcome.actual) == (Verdict.ERROR, "this interpreter has no locust")
    assert "tminus[load]" in outcome.hint
    gone = await load(python=str(tmp_path / "no-python"))
    assert gone.verdict is Verdict.ERROR


@pytest.mark.long
async def test_several_worker_processes_count_together_and_all_end(load, server):
    outcome = await load(processes=2)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["processes"] == 2
    assert outcome.evidence["users"] == 2
    assert outcome.evidence["requests"] == len(server.heard)
    assert not of_load()


async def test_a_load_that_is_cancelled_ends_with_all_its_processes(load, server, until):
    cancel = asyncio.Event()
    running = asyncio.create_task(load(cancel=cancel, duration="60s", processes=2))
    await until(lambda: len(server.heard) > 5)
    assert len(of_load()) == 3
    cancel.set()
    outcome = await running
    assert (outcome.verdict, outcome.actual) == (Verdict.ERROR, "cancelled")
    await until(lambda: not of_load())


async def test_tasks_that_raise_are_a_warning_with_what_they_raised(load):
    raising = LOCUSTFILE + "        self.n = getattr(self, 'n', 0) + 1\n        assert self.n != 3, 'three'\n"
    outcome = await load(raising)
    assert outcome.verdict is Verdict.WARN, outcome
    assert "three" in outcome.evidence["raised 1"]


@pytest.mark.parametrize(
    ("with_", "verdict", "said"),
    [
        ({"base_url": ""}, "unknown", "no host"),
        ({"base_url": "ftp://x"}, "error", "no plain http"),
        ({"base_url": "http://me:CANARY@x"}, "error", "no plain http"),
        ({"duration": "45m"}, "error", "do not fit"),
        ({"users": 0}, "error", "cannot be brought on"),
        ({"users": 100, "spawn_rate": 1}, "error", "not all there"),
        ({"max_failures": "few"}, "error", "max_failures"),
        ({"locustfile": "gone.py"}, "error", "no locustfile"),
    ],
)
async def test_a_load_that_cannot_be_brought_on_says_why(load, with_, verdict, said):
    outcome = await load(**with_)
    assert outcome.verdict == verdict
    assert said in outcome.actual
    assert "CANARY" not in repr(outcome)


async def test_the_plan_shows_host_users_rate_duration_and_visitors(look):
    (look.project / "journeys.toml").write_bytes(JOURNEYS.read_bytes())
    plan = await look.plan("load.locust", {"base_url": "https://staging.example", "users": 30, "duration": "5m"})
    assert (plan.danger, plan.target) == ("reversible", "https://staging.example")
    text = "\n".join(plan.lines)
    for said in ("https://staging.example: 30 users, 5 more a second, for 5m", "register, login, post, reply, vote"):
        assert said in text
    assert "not session, password-reset, oauth" in text
    assert "--run-time 300s" in text


@pytest.mark.long
async def test_the_shipped_visitors_walk_the_sample_app_as_somebody_new(look, stage):
    (look.project / "journeys.toml").write_bytes(JOURNEYS.read_bytes())
    with_ = {"base_url": stage.base_url, "users": 3, "spawn_rate": 10, "duration": "3s", "wait": "20ms"}
    names = ["register", "login", "post", "reply", "vote"]
    outcome = await look("load.locust", {**with_, "journeys": names, "p95": "20s", "min_requests": 1})
    # On a machine that is busy there may be too few for a percentile; what was asked for was all as declared.
    assert outcome.verdict in (Verdict.PASS, Verdict.UNKNOWN), (outcome, look.lines)
    assert outcome.evidence["requests"] > 0
    assert outcome.evidence["failures"] == 0
    assert "raised 1" not in outcome.evidence


async def test_a_step_that_is_not_as_declared_is_a_failure_by_the_name_of_its_path(look, server):
    text = '[journey.j]\nvars = { password = "${secret}" }\nstep = [{ name = "page", path = "/${unique}", lacks = ["ok"] }]'
    (look.project / "j.toml").write_text(text)
    with_ = {"base_url": server.url, "file": "j.toml", "users": 1, "duration": "1s", "wait": "20ms"}
    outcome = await look("load.locust", {**with_, "min_requests": 5})
    assert outcome.verdict is Verdict.FAIL, (outcome, look.lines)
    assert "GET /${unique}: " in outcome.evidence["failure 1"]
    assert "contains 'ok'" in outcome.evidence["failure 1"]
    assert "failure 2" not in outcome.evidence


@pytest.mark.parametrize(
    ("peak", "stderr", "least", "verdict", "said"),
    [
        (2, b"", 100, "pass", "200 requests"),
        (2, b"", 1000, "unknown", "only 200 requests, 1000 are needed"),
        (1, b"", 100, "unknown", "only 1 of 2 users were ever on"),
        (2, b"WARNING/root: CPU usage above 90%!", 100, "warn", "short of CPU"),
    ],
)
def test_an_end_is_judged_by_what_was_really_brought_on(tmp_path, peak, stderr, least, verdict, said):
    row = {"name": "/", "num_requests": 200, "num_failures": 0, "response_times": {"10": 200}}
    row |= {"start_time": 100.0, "last_request_timestamp": 110.0}
    (tmp_path / "figures.json").write_text(json.dumps([row]))
    ctx = Context(item="load", project=tmp_path, artefacts=tmp_path)
    swarm = Swarm(ctx, Load("http://h", 2, 1.0, 10.0, Path("x.py")), Limits(0.01, 500.0), peak=peak)
    swarm.errors.add(stderr)
    outcome = judged(swarm, Ended(0, 10.0, "exited"), tmp_path / "figures.json", least)
    assert outcome.verdict == verdict, outcome
    assert said in outcome.actual


async def test_locust_ends_when_the_one_who_started_it_was_killed(look, server, until):
    (look.project / "visitors.py").write_text(LOCUSTFILE)
    argv = argv_of(Load(server.url, 1, 1.0, 60.0, look.project / "visitors.py"), sys.executable, look.project / "f")
    starting = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE); time.sleep(60)"
    starter = subprocess.Popen([sys.executable, "-c", starting, *argv], stdout=-3, stderr=-3)  # noqa: ASYNC220
    await until(lambda: bool(server.heard))
    (locust,) = [one for one in of_load() if one.ppid() == starter.pid]
    starter.kill()
    starter.wait()
    await until(lambda: not locust.is_running() or locust.status() == psutil.STATUS_ZOMBIE)


def test_the_check_alone_does_not_import_locust():
    said = "import sys, checks.load; sys.exit('locust' in sys.modules or 'gevent' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], check=False).returncode == 0

"""The app's health and the journeys of its visitors, against the real sample app."""

from __future__ import annotations

import ssl
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from checks.journeys import JourneyError, load_journey
from state.verdicts import Outcome, Verdict

JOURNEYS = Path(__file__).parents[2] / "journeys.toml"
NAMES = ["register", "login", "post", "reply", "vote", "mod-list", "api-keys", "session", "password-reset"]


async def test_a_healthy_app_passes(look, stage):
    with_ = {
        "url": f"{stage.base_url}/healthz",
        "expect": {"status": "ok", "database": "sqlite", "maintenance": False},
    }
    outcome = await look("http.health", with_)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["database"] == "sqlite"
    assert outcome.evidence["ms"] > 0


@pytest.mark.parametrize(
    ("with_", "said"),
    [
        ({"status": 204}, "status 200, not 204"),
        ({"expect": {"database": "postgresql"}}, "database = sqlite, not postgresql"),
        ({"expect": {"version": 1}}, "no version in the body"),
        ({"expect": {"maintenance": 0}}, "maintenance = False, not 0"),
    ],
)
async def test_an_app_that_says_something_else_fails(look, stage, with_, said):
    outcome = await look("http.health", {"url": f"{stage.base_url}/healthz", **with_})
    assert outcome.verdict is Verdict.FAIL
    assert said in outcome.actual


async def test_a_slow_answer_is_a_warning_and_a_dead_app_a_failure(look, stage):
    slow = await look("http.health", {"url": f"{stage.base_url}/healthz", "at_most": "0.1ms"})
    assert slow.verdict in (Verdict.WARN, Verdict.FAIL)
    dead = await look("http.health", {"url": "http://127.0.0.1:1/healthz"})
    assert dead.verdict is Verdict.FAIL
    page = await look("http.health", {"url": f"{stage.base_url}/", "expect": {"status": "ok"}})
    assert "not JSON" in page.actual


async def test_the_version_must_be_the_one_that_was_pushed(look, stage):
    with_ = {"url": f"{stage.base_url}/healthz", "version": "commit"}
    commit = str((await look("http.health", with_ | {"version": "", "expect": {"commit": ""}})).evidence["commit"])
    for sha, verdict in ((commit, Verdict.PASS), (commit[:8], Verdict.PASS), ("0" * 40, Verdict.FAIL)):
        evidence = {"push": Outcome.passed("pushed", evidence={"sha": sha})}
        outcome = await look("http.health", with_, evidence=evidence)
        assert outcome.verdict is verdict, outcome
    assert "another deploy answers" in outcome.actual
    missing = await look("http.health", with_ | {"version": "none"}, evidence=evidence)
    assert "no none in the body" in missing.actual
    for evidence in ({}, {"push": Outcome.passed("pushed")}):
        assert (await look("http.health", with_, evidence=evidence)).verdict is Verdict.UNKNOWN


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.mark.parametrize(
    ("days", "trusted", "verdict", "said"),
    [
        (90, True, Verdict.PASS, "status 200"),
        (5, True, Verdict.WARN, "the certificate ends in 4 days"),
        (-1, True, Verdict.FAIL, "the certificate is not valid: certificate has expired"),
        (90, False, Verdict.FAIL, "the certificate is not valid"),
    ],
)
async def test_the_certificate_must_hold_for_a_while(
    look, authority, monkeypatch, tmp_path, days, trusted, verdict, said
):
    ends = datetime.now(UTC) + timedelta(days=days)
    certificate = authority.issue_cert("127.0.0.1", not_before=ends - timedelta(days=100), not_after=ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Well)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        outcome = await look("http.health", {"url": f"https://127.0.0.1:{server.server_port}/"})
    finally:
        server.shutdown()
        server.server_close()
    assert outcome.verdict is verdict, outcome
    assert said in outcome.actual


class Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("url", ["ftp://h/x", "nonsense", "http://", "http://no-such-host.invalid/"])
async def test_an_address_that_leads_nowhere_cannot_be_looked_at(look, url):
    assert (await look("http.health", {"url": url})).verdict is Verdict.ERROR


@pytest.mark.parametrize("name", NAMES)
async def test_every_journey_of_the_sample_app_arrives(look, stage, name, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(JOURNEYS.parent))
    with_ = {
        "base_url": stage.base_url,
        "file": str(JOURNEYS),
        "name": name,
        "outbox": str(stage.outbox),
        "commands": {"restart": [sys.executable, "-m", "rehearsal", "restart", "--stage", str(stage.folder)]},
    }
    outcome = await look("http.journey", with_)
    assert outcome.verdict is Verdict.PASS, (outcome, look.lines)
    assert sum(key.endswith(" ms") for key in outcome.evidence) >= 3


async def test_a_step_that_differs_is_named_with_its_exchange_and_without_secrets(look, stage):
    (look.project / "j.toml").write_text(
        """
        [vars]
        password = "canary-${secret}"
        [journey.bad]
        step = [
          { name = "form", path = "/login" },
          { name = "enter", method = "POST", path = "/login", csrf = true,"""
        """ form = { username = "nobody", password = "${password}" } },
        ]
        """
    )
    outcome = await look("http.journey", {"base_url": stage.base_url, "file": "j.toml", "name": "bad"})
    assert outcome.verdict is Verdict.FAIL
    assert "step 2 of 2, enter: status 401, not 200" in outcome.actual
    assert "/login" in outcome.evidence["exchange 1"]
    assert "canary" not in repr(outcome) + repr(look.lines)


async def test_a_journey_without_what_it_needs_is_an_error(look, stage):
    base = {"base_url": stage.base_url, "file": str(JOURNEYS)}
    for with_, said in (
        ({"name": "regsiter"}, "did you mean 'register'?"),
        ({"name": "session"}, "no command 'restart'"),
        ({"name": "password-reset"}, "no outbox is given"),
        ({"name": "register", "file": "gone.toml"}, "gone.toml"),
        ({"name": "register", "base_url": "nonsense"}, "no http address"),
    ):
        outcome = await look("http.journey", base | with_)
        assert outcome.verdict is Verdict.ERROR, outcome
        assert said in outcome.actual


async def test_a_journey_against_an_app_that_is_down_fails(look):
    outcome = await look(
        "http.journey", {"base_url": "http://127.0.0.1:1", "file": str(JOURNEYS), "name": "register"}
    )
    assert outcome.verdict is Verdict.FAIL
    assert "no answer" in outcome.actual


async def test_the_plan_tells_every_step_and_makes_no_request(look):
    plan = await look.plan("http.journey", {"base_url": "http://127.0.0.1:1", "file": str(JOURNEYS), "name": "reply"})
    assert any("POST /community/${post}/reply" in line for line in plan.lines)
    assert plan.target == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[journey.a]\nstep = [{ name = 'x' }]", "give it a path, a submit, a mail or a run"),
        ("[journey.a]\nstep = [{ name = 'x', path = '/', capture = { v = '(' } }]", "capture v"),
        ("[journey.a]\nstep = [{ name = 'x', path = '/', capture = { v = 'no group' } }]", "one group"),
        ("[journey.a]\nstep = [{ name = 'x', pth = '/' }]", "did you mean 'path'?"),
        ("[journey.a]\nfirst = ['a']\nstep = [{ name = 'x', path = '/' }]", "before itself"),
        ("[journey.a]\nstep = []", "has no step"),
        ("[journey", "Expected"),
    ],
)
def test_a_wrong_journeys_file_is_refused(tmp_path, text, said):
    path = tmp_path / "j.toml"
    path.write_text(text)
    with pytest.raises(JourneyError, match=said):
        load_journey(path, "a")


async def test_a_step_may_wait_for_what_is_not_there_yet(look):
    asked = []

    class Late(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if len(asked) > 3 else 503)
            self.end_headers()
            self.wfile.write(b"\x1b[31mhello")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Late)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    (look.project / "j.toml").write_text(
        '[journey.a]\nstep = [{ name = "x", path = "/", within = "10s", contains = ["hello"] }]'
    )
    try:
        with_ = {"base_url": f"http://127.0.0.1:{server.server_port}", "file": "j.toml", "name": "a"}
        outcome = await look("http.journey", with_)
    finally:
        server.shutdown()
        server.server_close()
    assert outcome.verdict is Verdict.PASS, outcome
    assert len(asked) == 4

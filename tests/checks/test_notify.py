"""Telling the team, over real HTTP and real SMTP on the loopback."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import pytest
from aiosmtpd.controller import Controller

from checks.notify import kind_of, reason
from state.verdicts import Verdict

SECRET = "TIiajkdnlazkcOXrIdevi7FQ"


class Post:
    """A server that takes messages; `answers` are the statuses it gives by path."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str]]] = []
        self.release = threading.Event()
        post = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if "slow" in self.path:
                    post.release.wait(10)
                else:
                    post.got.append((self.path, json.loads(body)))
                self.send_response(500 if "bad" in self.path else 200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.at = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def post() -> Iterator[Post]:
    it = Post()
    yield it
    it.release.set()
    it.server.shutdown()
    it.server.server_close()


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """What reaches the log of the whole process, at any level."""
    text = StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(level)
    root.removeHandler(handler)


def to(*urls: str) -> dict[str, object]:
    """The addresses by the environment, as they have to be."""
    return {
        "targets": {"notify": [f"${{env:URL{n}}}" for n in range(len(urls))]},
        "environ": {f"URL{n}": url for n, url in enumerate(urls)},
    }


TEXT = {"text": "We begin at 20:00 UTC. <!channel> *bold*", "to": "${notify}", "title": "Cutover"}


async def test_every_address_gets_the_message(look, post, monkeypatch):
    monkeypatch.setattr("apprise.plugins.slack.NotifySlack.webhook_url", f"http://{post.at}/services")
    slack = f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{SECRET}"
    outcome = await look("notify.team", TEXT, **to(f"json://{post.at}/team", slack))
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.actual == "json: sent; slack: sent"
    by_path = dict(post.got)
    assert by_path["/team"]["title"] == "Cutover"
    assert by_path["/team"]["message"] == TEXT["text"]
    assert SECRET in next(path for path in by_path if "services" in path)
    assert SECRET not in repr(outcome) + repr(look.lines)


async def test_who_did_not_get_it_is_told_with_the_reason_and_the_others_do(look, post, logged):
    urls = [f"json://{post.at}/team?key={SECRET}", f"json://{post.at}/bad/{SECRET}", "json://127.0.0.1:1/x", SECRET]
    outcome = await look("notify.team", TEXT, **to(*urls))
    assert outcome.verdict is Verdict.WARN, outcome
    assert outcome.evidence["json"] == "sent"
    assert outcome.evidence["json 2"] == "failed: status 500"
    assert outcome.evidence["json 3"] == "failed: connection refused"
    assert outcome.evidence["an unknown address"] == "failed: not an address that is known"
    assert "json 2, json 3, an unknown address" in outcome.hint
    assert SECRET not in repr(outcome) + repr(look.lines) + logged.getvalue()


async def test_mail_is_sent_by_smtp_and_a_server_that_is_away_is_said(look):
    mails = []

    class Box:
        async def handle_DATA(self, server, session, envelope):
            mails.append((envelope.rcpt_tos, envelope.content.decode()))
            return "250 OK"

    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    box = Controller(Box(), hostname="127.0.0.1", port=port)
    box.start()
    address = (
        "mailto://team.example?smtp=127.0.0.1&port={port}&from=tminus@team.example&to=all@team.example&mode=insecure"
    )
    try:
        outcome = await look("notify.team", TEXT, **to(address.format(port=port)))
    finally:
        box.stop()
    assert outcome.verdict is Verdict.PASS, (outcome, look.lines)
    assert mails[0][0] == ["all@team.example"]
    assert "Cutover" in mails[0][1]
    outcome = await look("notify.team", TEXT, **to(address.format(port=port)))
    assert outcome.verdict is Verdict.WARN
    assert outcome.actual == "mail: failed: connection refused"


async def test_an_address_that_does_not_answer_holds_nothing_up(look, post):
    outcome = await look(
        "notify.team", TEXT | {"within": "300ms"}, **to(f"json://{post.at}/slow", f"json://{post.at}/a")
    )
    assert outcome.verdict is Verdict.WARN
    assert outcome.actual == "json: failed: no answer in time; json 2: sent"


async def test_a_cancellation_ends_it(look, post, until):
    stop = asyncio.Event()
    task = asyncio.ensure_future(look("notify.team", TEXT, **to(f"json://{post.at}/slow"), cancel=stop))
    await until(lambda: bool(look.steps))
    stop.set()
    assert "cancelled" in (await task).actual


async def test_without_an_address_or_a_text_it_is_unknown(look):
    for with_ in (
        {"text": "hello"},
        {"text": "hello", "to": []},
        {"text": "hello", "to": ""},
        {"text": " ", "to": "json://h"},
    ):
        outcome = await look("notify.team", with_)
        assert outcome.verdict is Verdict.UNKNOWN, outcome
        assert outcome.hint
    outcome = await look("notify.team", TEXT, targets={"notify": ["${env:SLACK_URL}"]})
    assert outcome.verdict is Verdict.UNKNOWN
    assert "SLACK_URL" in outcome.actual


async def test_without_the_library_it_is_an_error_with_the_mend(look, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    outcome = await look("notify.team", TEXT, **to("json://h"))
    assert outcome.verdict is Verdict.ERROR
    assert "tminus[notify]" in outcome.hint


async def test_the_plan_shows_the_text_and_only_the_kinds_of_the_addresses(look, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    urls = [f"slack://T1/A1/{SECRET}", f"mailto://me:{SECRET}@mail.example", f"https://x.logic.azure.com/{SECRET}"]
    plan = await look.plan("notify.team", TEXT, **to(*urls))
    assert plan.target == "slack, mail, teams"
    assert plan.lines[2] == f"text: {TEXT['text']}"
    assert SECRET not in repr(plan)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("discord://1/2", "discord"),
        ("https://discord.com/api/webhooks/1/2", "discord"),
        ("https://hooks.slack.com.evil.example/x", "https"),
        ("http://[", "an unknown address"),
        ("T1JJ3T3L2/secret", "an unknown address"),
        ("mailtos://x", "mail"),
    ],
)
def test_the_kind_of_an_address_tells_no_more_than_that(url, kind):
    assert kind_of(url) == kind


def test_a_reason_is_never_the_text_from_outside():
    assert reason([f"something about {SECRET}"]) == "not taken"
    assert reason(["Temporary failure in name resolution"]) == "the host name is not known"

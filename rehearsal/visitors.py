"""Background visitors: they browse, register, log in, post, reply, vote and save lists, over HTTP, for ever.

Actions start at fixed times, whatever the site does (an open loop), but a visitor does one thing at a time:
when all are busy, the action is counted as missed. What the site said it saved goes to the ledger; a write
without an answer is unknown and does not.
"""

import argparse
import asyncio
import json
import random
import re
import secrets
import signal
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx

from rehearsal.ledger import Entry, session_digest
from rehearsal.processes import write_private
from rehearsal.seed import PASSWORD, username
from rehearsal.stage import Stage, load_stage

PEOPLE = 24
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one for all, and without certificates: reading them takes long
TIMEOUT = 15.0
STATUS_EVERY = 1.0
TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')
POSTS = re.compile(r'href="/community/(\d+)"')
REFUSED = 503


class Refused(Exception):
    """The site did not take the write, and said so."""


class Unclear(Exception):
    """The site's answer was not what a visitor expects."""


class Visitor:
    """One person with one browser (its own cookies)."""

    def __init__(self, stage: Stage, number: int, dice: random.Random, count: Counter[str]) -> None:
        self.stage, self.dice, self.count = stage, dice, count
        self.name = username(number)
        self.password = PASSWORD
        self.logged_in = False
        self.client = httpx.AsyncClient(
            base_url=stage.base_url,
            timeout=TIMEOUT,
            trust_env=False,
            verify=NO_TLS,
            headers={"User-Agent": "rehearsal-visitor"},
        )

    async def act(self) -> None:
        """Do one thing, and count how it went. Never raises, except to be cancelled."""
        action = self._choose()
        try:
            await action()
        except Refused:
            self.count["refused"] += 1
        except httpx.HTTPError as error:
            self.count["unreachable"] += 1
            self.count[f"error {type(error).__name__}"] += 1
        except Unclear:
            self.count["unclear"] += 1

    def _choose(self) -> Callable[[], Awaitable[None]]:
        options: list[tuple[Callable[[], Awaitable[None]], float]]
        if not self.logged_in:
            options = [(self.browse, 4), (self.login, 4), (self.register, 1)]
        else:
            writes = [(self.post, 2), (self.reply, 3), (self.vote, 3), (self.save_list, 2)]
            options = [(self.browse, 10), *writes, (self.logout, 0.3)]
        return self.dice.choices([o for o, _ in options], [w for _, w in options])[0]

    async def _get(self, path: str) -> str:
        answer = await self.client.get(path)
        self._tally(answer)
        if answer.status_code == REFUSED:
            raise Refused
        if answer.status_code != 200:
            raise Unclear
        return answer.text

    async def _send(self, path: str, page: str, **fields: str) -> httpx.Response:
        """Send the form of PAGE. The answer, if it says that it was saved (303)."""
        found = TOKEN.search(page)
        if found is None:
            raise Unclear
        answer = await self.client.post(path, data={"csrf_token": found[1], **fields})
        self._tally(answer)
        if answer.status_code == REFUSED:
            raise Refused
        if answer.status_code != 303:
            raise Unclear
        if answer.headers["Location"].startswith("/login"):  # the site does not know us: the session is gone
            self.count["sessions lost"] += 1
            self.logged_in = False
            raise Unclear
        return answer

    def _tally(self, answer: httpx.Response) -> None:
        self.count["requests"] += 1
        self.count[f"status {answer.status_code}"] += 1

    def _note(self, answer: httpx.Response, kind: str, key: str, holds: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = Entry(kind, key, holds, at, answer.headers.get("X-Database", "unknown"))
        with self.stage.ledger.open("a", encoding="utf-8") as ledger:
            ledger.write(entry.line())
        self.count["acknowledged"] += 1

    async def browse(self) -> None:
        path = self.dice.choice(("/", "/", f"/community?page={self.dice.randint(1, 9)}", "/lists", "/api/posts"))
        found = POSTS.findall(await self._get(path))
        if found and self.dice.random() < 0.5:
            await self._get(f"/community/{self.dice.choice(found)}")

    async def register(self) -> None:
        name = f"guest-{secrets.token_hex(6)}"
        page, email = await self._get("/register"), f"{name}@example.org"
        # From here on this browser is NAME's, or nobody's.
        answer = await self._send("/register", page, username=name, email=email, password=PASSWORD)
        self.name, self.logged_in = name, True
        self._note(answer, "user", name, email)
        self._note_session(answer)

    async def login(self) -> None:
        page = await self._get("/login")
        answer = await self._send("/login", page, username=self.name, password=self.password)
        self.logged_in = True
        self._note_session(answer)

    def _note_session(self, answer: httpx.Response) -> None:
        sid = answer.cookies.get("session")
        if sid:
            self._note(answer, "session", session_digest(sid), "")

    async def logout(self) -> None:
        sid = self.client.cookies.get("session")
        page = await self._get("/")
        # Noted before it is asked: if the answer is lost, the session may be gone, and must not be expected.
        if sid:
            with self.stage.ledger.open("a", encoding="utf-8") as ledger:
                at = datetime.now(UTC).isoformat(timespec="milliseconds")
                ledger.write(Entry("logout", session_digest(sid), "", at, "asked").line())
        await self._send("/logout", page)
        self.logged_in = False

    async def _a_post(self) -> tuple[str, str]:
        """The path and the page of a post, with its forms."""
        found = POSTS.findall(await self._get(f"/community?page={self.dice.randint(1, 5)}"))
        if not found:
            raise Unclear
        path = f"/community/{self.dice.choice(found)}"
        return path, await self._get(path)

    async def post(self) -> None:
        page = await self._get("/")
        title = f"Größe & 光 {secrets.token_hex(8)}"
        answer = await self._send("/community", page, title=title, body="Which load order?\nMine: 🐉 last.")
        self._note(answer, "post", answer.headers["Location"].rsplit("/", 1)[1], title)

    async def reply(self) -> None:
        path, page = await self._a_post()
        body = f"I had that too, it was the mesh. {secrets.token_hex(8)}"
        answer = await self._send(f"{path}/reply", page, body=body)
        self._note(answer, "reply", answer.headers["Location"].rsplit("#post-", 1)[1], body)

    async def vote(self) -> None:
        path, page = await self._a_post()
        key = f"{self.name}/{path.rsplit('/', 1)[1]}"
        # Always the same for the same post: a vote whose answer was lost cannot contradict an earlier one.
        value = "1" if zlib.crc32(key.encode()) % 4 else "-1"
        answer = await self._send(f"{path}/vote", page, value=value)
        self._note(answer, "vote", key, value)

    async def save_list(self) -> None:
        page = await self._get("/lists")
        name = f"My list {secrets.token_hex(8)}"
        mods = "SkyUI | 2.71\nUSSEP | 130.5\n雪 mod | 12"
        answer = await self._send("/lists", page, name=name, game="Skyrim SE", description="", mods=mods)
        self._note(answer, "mod_list", answer.headers["Location"].rsplit("/", 1)[1], name)


async def visit(stage: Stage, stop: asyncio.Event) -> None:
    """Visit STAGE until STOP is set. An action is 1.87 requests on average (measured)."""
    dice, count = random.Random(), Counter[str]()  # noqa: S311
    free = [Visitor(stage, number + 2, dice, count) for number in range(PEOPLE)]
    everybody, tasks = list(free), set[asyncio.Task[None]]()
    loop, began = asyncio.get_running_loop(), time.monotonic()
    next_act, next_status = loop.time(), loop.time()

    async def act(visitor: Visitor) -> None:
        try:
            await visitor.act()
        except Exception as error:
            count["failed"] += 1
            print(f"{type(error).__name__}: {error}", flush=True)
        finally:
            free.append(visitor)

    try:
        while not stop.is_set():
            if loop.time() >= next_status:
                save_status(stage.visitors_status, count, time.monotonic() - began)
                next_status = loop.time() + STATUS_EVERY
            if free:
                task = asyncio.create_task(act(free.pop(dice.randrange(len(free)))))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            else:
                count["missed"] += 1
            next_act += 1.87 / stage.rate
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, next_act - loop.time()))
    finally:
        if tasks:
            await asyncio.wait(tasks, timeout=3.0)
        for visitor in everybody:
            await visitor.client.aclose()
        save_status(stage.visitors_status, count, time.monotonic() - began)


def save_status(path: Path, count: Counter[str], seconds: float) -> None:
    named = (
        "requests",
        "acknowledged",
        "refused",
        "unreachable",
        "unclear",
        "missed",
        "failed",
        "sessions lost",
    )
    status: dict[str, object] = {name.replace(" ", "_"): count[name] for name in named}
    status["seconds"] = round(seconds, 1)
    status["at"] = datetime.now(UTC).isoformat(timespec="seconds")
    status["detail"] = {key: value for key, value in sorted(count.items()) if key not in named}
    write_private(path, json.dumps(status))


async def _main(stage: Stage) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stage.ledger.touch(mode=0o600)
    _drop_unfinished_line(stage.ledger)
    await visit(stage, stop)


def _drop_unfinished_line(ledger: Path) -> None:
    """What a kill left of a last line: it would run into the next one."""
    with ledger.open("r+b") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", type=Path, required=True)
    asyncio.run(_main(load_stage(parser.parse_args().stage)))

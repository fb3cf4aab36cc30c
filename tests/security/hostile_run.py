"""A run of which every word that can come from outside is hostile: made once, looked at from every exit."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import hostile
import pytest
import tomli_w

from tminus.client import AddNote, Client, MarkItem, RaiseHold, Refused, RunCheck, StopEngine, TakeLease, View
from tminus.launch import start_engine, wait_until_ended
from tminus.places import Place, place_of

TEXT = hostile.storable(hostile.EVERYTHING)
LOG = hostile.nameable(TEXT)[:60] + ".log"

PLUGIN = '''
import logging, sys
from tminus import Outcome, check
from hostile import ENDLESS, EVERYTHING, PAYLOADS, UNTERMINATED

async def says(ctx):
    for line in (*PAYLOADS.values(), EVERYTHING, ENDLESS, UNTERMINATED):
        ctx.log(line)
    ctx.progress(1, 2, "rows\\x1b[31337m", EVERYTHING)
    logging.getLogger("somebody").error("said %s", EVERYTHING)
    evidence = {f"key {name} {value}": value for name, value in PAYLOADS.items()}
    return Outcome.failed(EVERYTHING, expected=EVERYTHING, hint=EVERYTHING, evidence={**evidence, "e": ENDLESS})
says.__doc__ = EVERYTHING + "\\n\\n" + EVERYTHING
says = check("ours.says", effect="read", timeout="30s")(says)

@check("ours.crashes", effect="read", timeout="30s")
async def crashes(ctx):
    """It crashes."""
    raise RuntimeError(EVERYTHING)

class Odd(Exception):
    def __str__(self):
        raise ValueError(EVERYTHING)

@check("ours.odd", effect="read", timeout="30s")
def odd(ctx):
    """Its error cannot even be told."""
    raise Odd(EVERYTHING)

@check("ours.gone", effect="read", timeout="30s")
def gone(ctx):
    """It ends in a way of its own."""
    raise GeneratorExit(EVERYTHING)
'''


def checklist() -> dict:
    """Four items that look at hostile things, and words that are hostile themselves."""
    checks = ["ours.says", "ours.crashes", "ours.odd", "ours.gone"]
    items = [
        {"id": name.partition(".")[2], "text": TEXT, "how": TEXT, "check": name, "marks": "check"} for name in checks
    ]
    printf = {"argv": ["cat", "output.bin"], "expect_output": "nothing"}
    items.append({"id": "prints", "text": TEXT, "check": "command.probe", "with": printf, "marks": "check"})
    again = {"id": "again", "text": TEXT, "every": "24h", "until": "3d"}
    return {
        "schema": 1,
        "title": f"Hostile {TEXT}",
        "plugins": ["ours.py"],
        "role": [{"id": "dev", "title": TEXT, "name": TEXT}],
        "metrics": {"app": {"source": "log", "path": LOG, "from": "start", "interval": "1s"}},
        "phase": [
            {"id": "one", "title": TEXT, "at": "T-15m", "step": [{"title": TEXT, "item": items}]},
            {"id": "two", "title": TEXT, "at": "T+0m", "step": [{"title": TEXT, "item": [again]}]},
        ],
    }


@dataclass(frozen=True)
class Flown:
    """The folder of a run whose engine is still up, and what its commands need in their environment."""

    folder: Path
    place: Place
    environ: dict[str, str]
    view: View
    pid: int

    @property
    def record(self) -> Path:
        return next((self.folder / "deployments").glob("*.toml"))

    def end(self) -> None:
        """Stop the engine, as a person does, and let go of the record."""

        async def stop() -> None:
            async with Client(self.place.socket, name="anna") as client:
                await client.ask(StopEngine())

        asyncio.run(stop())
        wait_until_ended(self.place)


def fly(folder: Path, runtime: Path) -> Flown:
    """Fly a hostile checklist in FOLDER as far as a person would see all of it."""
    path = folder / "checklist.toml"
    path.write_text(tomli_w.dumps(checklist()))
    (folder / "ours.py").write_text(PLUGIN)
    raw = hostile.EVERYTHING.encode("utf-8", "replace")
    (folder / "output.bin").write_bytes(raw + b"\n\x9b31337A\x9d0;title-31337\x9c\xff\xfe\n" + raw + b"\n")
    lines = [f"2026-11-23 10:00:00 ERROR {text}" for text in (*hostile.PAYLOADS.values(), hostile.UNTERMINATED)]
    (folder / LOG).write_bytes(
        "\n".join([*lines, "Traceback (most recent call last):", ""]).encode("utf-8", "replace")
    )
    git = ("git", "-c", f"user.name={hostile.nameable(TEXT)}", "-c", "user.email=e@example.org")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", TEXT.replace("\0", "")], cwd=folder, check=True)
    environ = {
        "XDG_RUNTIME_DIR": str(runtime),
        "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "XDG_CONFIG_HOME": str(folder),
        "SSH_CONNECTION": hostile.nameable(TEXT),
    }
    with environment(environ):
        place = place_of(path)
        pid = start_engine(path, place)
    try:
        return Flown(folder, place, environ, asyncio.run(_flown(place)), pid)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise


async def _flown(place: Place) -> View:
    async with asyncio.timeout(20), Client(place.socket, name=hostile.storable(TEXT), watch=True) as client:
        await client.ask(TakeLease())
        items = ("says", "crashes", "odd", "gone", "prints")
        for item in items:
            await client.ask(RunCheck(item=item))
        async for view in client.updates():
            if all(view.items[item].verdict for item in items):
                break
        await client.ask(AddNote(text=TEXT, item="again"))
        for name, payload in hostile.PAYLOADS.items():
            await client.ask(AddNote(text=f"{name}: {hostile.storable(payload)}"))
        with suppress(Refused):
            await client.ask(MarkItem(item="again", mark="skipped", reason=TEXT))
        for item in ("says", "prints"):
            with suppress(Refused):
                await client.ask(MarkItem(item=item, mark="waived", reason=TEXT))
        await client.ask(RaiseHold(reason=TEXT))
        return client.view


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """With VALUES in the environment of this process."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in values.items():
            patch.setenv(key, value)
        yield

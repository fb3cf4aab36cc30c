"""Commands that read what others wrote, and quote it: not one byte of it acts on the terminal."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hostile import ENDLESS, EVERYTHING, PAYLOADS, UNTERMINATED, harms, nameable, on_a_terminal, storable

from tminus.outlet import Outlet, lines_of

TEXT = storable(EVERYTHING)
NAME = nameable(EVERYTHING)


def wrong_checklist(folder: Path) -> list[str]:
    quoted = "".join(f"\\U{ord(ch):08X}" for ch in TEXT)
    (folder / NAME).write_text(
        f'schema = 1\ntitle = "t"\n"{quoted}" = 1\nplugins = ["{quoted}"]\n[[phase]]\nid = "{quoted}"\n'
        f'title = "x"\nmode = "{quoted}"\n[[phase.step]]\ntitle = "s"\n[[phase.step.item]]\nid = "a"\ntext = "x"\n'
        f'check = "{quoted}"\nwith = {{ "{quoted}" = "{quoted}" }}\n'
    )
    return ["validate", NAME]


def no_toml(folder: Path) -> list[str]:
    (folder / "checklist.toml").write_bytes(f"title = {TEXT}".encode() + b"\x9b2J")
    return ["validate"]


def no_such_file(folder: Path) -> list[str]:
    return ["record", "verify", NAME]


def broken_plugin(folder: Path) -> list[str]:
    (folder / "ours.py").write_text(f"raise RuntimeError({TEXT!r})\n")
    (folder / "checklist.toml").write_text('schema = 1\ntitle = "t"\nplugins = ["ours.py"]\n')
    return ["checks", "ours"]


def code(folder: Path) -> list[str]:
    (folder / NAME).with_suffix(".py").write_text(
        f"import sqlite3\nsqlite3.connect({TEXT!r})\n# {TEXT.splitlines()[0]}\n"
        f"con.execute({'INSERT OR REPLACE INTO ' + TEXT!r})\ncon.execute({'PRAGMA ' + TEXT!r})\n"
        f"app.config['SQLALCHEMY_DATABASE_URI'] = {'sqlite:///' + TEXT!r}\n"
    )
    (folder / "render.yaml").write_text(
        "services: [{type: web, name: " + "".join(f'"\\U{ord(c):08X}"' for c in "\x9b")
    )
    return ["code"]


def audit(folder: Path) -> list[str]:
    quoted = TEXT.replace("\0", "").replace('"', '""')
    with closing(sqlite3.connect(folder / "app.db")) as con:
        con.execute(f'CREATE TABLE "{quoted}" (id INTEGER PRIMARY KEY, "{quoted}" INTEGER, day DATE, s VARCHAR(3))')
        con.execute(f'INSERT INTO "{quoted}" VALUES (1, ?, ?, ?)', (TEXT, TEXT, TEXT))
        con.execute(f'INSERT INTO "{quoted}" VALUES (2, ?, ?, ?)', (ENDLESS, UNTERMINATED, "a\0b"))
        con.commit()
    return ["db", "audit", "--sqlite", "app.db"]


def no_database(folder: Path) -> list[str]:
    (folder / NAME).write_bytes(TEXT.encode())
    return ["db", "audit", "--sqlite", NAME]


def init(folder: Path) -> list[str]:
    (folder / "app").mkdir()
    (folder / "app" / nameable(f"{NAME[:60]}.py")).write_text(f"# {TEXT}")
    (folder / "app" / "wsgi.py").write_text(
        f"from flask import Flask\napp = Flask({TEXT!r})\n@app.route({'/health' + TEXT!r})\ndef h(): pass\n"
    )
    (folder / "requirements.txt").write_text(f"flask\n{TEXT}\n")
    quoted = "".join(f"\\U{ord(ch):08X}" for ch in TEXT)
    (folder / "render.yaml").write_text(
        f'services:\n- type: web\n  name: "{quoted}"\n  healthCheckPath: "/{quoted}"\n  branch: "{quoted}"\n'
        f'  domains: ["{quoted}"]\n  startCommand: "{quoted}"\n'
    )
    return ["init", "--dry-run"]


def forged_record(folder: Path) -> list[str]:
    (folder / "record.toml").write_bytes(f"[run]\n{TEXT}\n[journal]\nevents = [\n{TEXT}\n]\n[seal]\n".encode())
    return ["record", "verify", "record.toml"]


def played_record(folder: Path) -> list[str]:
    (folder / NAME).write_bytes(f"[run]\n{TEXT}\n[journal]\n".encode())
    return ["replay", NAME, "--print"]


def doctor(folder: Path) -> list[str]:
    (folder / "tminus").mkdir()
    (folder / "tminus" / "config.toml").write_bytes(f"name = {TEXT}".encode())
    return ["doctor"]


ALL = (wrong_checklist, no_toml, no_such_file, broken_plugin, code, audit, no_database)
ALL += (init, forged_record, played_record, doctor)


@pytest.mark.parametrize("made", ALL, ids=lambda made: made.__name__)
def test_what_is_quoted_is_plain_text(made: Callable[[Path], list[str]], tmp_path: Path) -> None:
    hostile_terminal = {"XDG_CONFIG_HOME": str(tmp_path), "LC_ALL": NAME, "TMUX": NAME, "TERM": NAME}
    odd = hostile_terminal if made is doctor else {"XDG_CONFIG_HOME": str(tmp_path), "TERM": "dumb"}
    code, raw = on_a_terminal(made(tmp_path), tmp_path, odd)
    assert harms(raw) == []
    assert b"Traceback" not in raw, raw[-3000:].decode()
    assert raw.strip() and b"No such option" not in raw and code in (0, 1, 2, 3)


def test_a_name_that_is_no_utf8_is_told_and_crashes_nothing(tmp_path: Path) -> None:
    name = os.fsdecode(b"\x9b31337H\xff.toml")
    (tmp_path / name).write_text("no = ")
    for argv in (["validate", name], ["status", "-C", name]):
        _, raw = on_a_terminal(argv, tmp_path)
        assert harms(raw) == []
        assert b"Traceback" not in raw, raw.decode()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_outlet_lets_no_payload_through(payload: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("w", encoding="utf-8") as stream:
        outlet = Outlet(stream)
        outlet.write(f"{PAYLOADS[payload]}\n")
        outlet.writelines([PAYLOADS[payload][:3], PAYLOADS[payload][3:], UNTERMINATED, "\nnext\n"])
        assert not hasattr(outlet, "buffer")
    assert harms(path.read_bytes()) == []
    assert path.read_text().endswith("\nnext\n")


def test_a_terminal_without_the_letters_is_no_crash(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        Outlet(stream).write("größer • \udcff\n")
    assert (tmp_path / "out").read_text() == "gr??er ? \n"


def test_a_megabyte_without_a_space_is_cleaned_at_once() -> None:
    assert lines_of(ENDLESS) == ENDLESS
    assert len(lines_of("\x1b[" * 500_000)) < 1_000_001
    assert lines_of("\x1b]" * 500_000) == ""

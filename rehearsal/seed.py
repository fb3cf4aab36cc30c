"""Data that looks like a community's: the same for the same seed, except for the hash of the password.

The tables come from the app's own migrations; the rows are clean for their declared types and awkward in
every way that clean data can be: accents, CJK, emoji, CRLF, tabs, NULL and '', long texts, microseconds,
decimals, JSON, binary, gaps in the ids.
"""

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from werkzeug.security import generate_password_hash

PASSWORD = "correct horse battery"  # noqa: S105 - of every seeded user: the stage is played in public
HASH = "scrypt:4096:8:1"
EPOCH = datetime(2025, 11, 1, 8, 0, tzinfo=UTC)
FIRST = ("zoe", "björn", "amélie", "李雷", "søren", "nuria", "jiří", "hana", "οδυσσέας", "mai", "tom", "aino")
WORDS = [
    "texture",
    "mesh",
    "grass",
    "patch",
    "load-order",
    "ENB",
    "crash",
    "shader",
    "quest",
    "armour",
    "光照",
    "ярко",
    "naïve",
    "übersharp",
    "café",
    "façade",
    "retexture",
    "🏔️",
    "dragon",
    "🐉",
    "script",
    "latency",
    "bashed",
    "plugin",
    "merge",
    "conflict",
    "安定",
    "snow",
    "lantern",
    "🔥",
    '"quoted"',
    "it's",
    "100%",
]
GAMES = ("Skyrim SE", "Skyrim AE", "Fallout 4", "Morrowind", "Oblivion", "ウィッチャー3")
BIOS = (
    None,
    "",
    "Just here for the 🐉",
    "Line one\r\nLine two\r\n",
    "tab\tseparated\tlife",
    "Ünïcödé — “quotes”",
)
Row = tuple[Any, ...]


def migrate(app_dir: Path, python: str = sys.executable, database_url: str = "") -> None:
    """Run the app's migrations, on SQLite in its instance folder when DATABASE_URL is empty.
    Raises subprocess.CalledProcessError."""
    env = {**os.environ, "DATABASE_URL": database_url, "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [python, "-m", "alembic", "upgrade", "head"]
    subprocess.run(argv, cwd=app_dir, env=env, check=True, capture_output=True, timeout=120)


def seed(sqlite: Path, *, users: int = 2000, random_seed: int = 20261122) -> dict[str, int]:
    """Fill the migrated, empty database SQLITE; the number of rows of each table.
    Raises sqlite3.Error: then nothing was added."""
    dice = random.Random(random_seed)  # noqa: S311 - repeatable on purpose
    posts = list(_posts(dice, users, users * 5))
    tables: dict[str, tuple[str, Iterable[Row]]] = {
        "users": (
            "id, username, email, password_hash, display_name, bio, is_admin, is_active, created_at,"
            " last_login_at, reputation, settings, avatar",
            _users(dice, users),
        ),
        "user_sessions": (
            "id, user_id, user_agent, created_at, last_seen_at, expires_at",
            _sessions(dice, users, users * 3),
        ),
        "posts": ("id, author_id, parent_id, title, body, created_at, edited_at", posts),
        "votes": (
            "user_id, post_id, value, created_at",
            _votes(dice, users, [row[0] for row in posts], users * 10),
        ),
        "mod_lists": (
            "id, owner_id, name, game, description, is_public, mods, total_size_mb, load_order, created_at,"
            " updated_at",
            _mod_lists(dice, users, users // 2),
        ),
        "api_keys": (
            "user_id, name, prefix, key_hash, created_at, last_used_at, revoked_at",
            _api_keys(dice, users, users // 5),
        ),
        "password_resets": (
            "user_id, token_hash, created_at, expires_at, used_at",
            _resets(dice, users, users // 20),
        ),
    }
    connection = sqlite3.connect(sqlite)
    try:
        with connection:
            for table, (columns, rows) in tables.items():
                marks = ", ".join("?" * (columns.count(",") + 1))
                connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608
        counts = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}  # noqa: S608
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return counts
    finally:
        connection.close()


def username(number: int) -> str:
    """The name of the seeded user NUMBER, counted from 1."""
    return f"{FIRST[number % len(FIRST)]}{number}"


def _stamp(when: datetime) -> str:
    """As SQLAlchemy writes a DateTime into SQLite."""
    return when.strftime("%Y-%m-%d %H:%M:%S.%f")


def _moment(dice: random.Random, days: float = 380) -> datetime:
    return EPOCH + timedelta(microseconds=dice.randrange(int(days * 86_400_000_000)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(dice: random.Random, words: int) -> str:
    return " ".join(dice.choices(WORDS, k=words))


def _maybe(dice: random.Random, share: float, value: Any) -> Any:
    return value if dice.random() < share else None


def _users(dice: random.Random, count: int) -> Iterator[Row]:
    password = generate_password_hash(PASSWORD, HASH)  # one for all: hashing is slow by intent
    for number in range(1, count + 1):
        name = username(number)
        settings = {"theme": dice.choice(("dark", "light")), "näme": name, "tags": ["a", "雪"], "beta": None}
        yield (
            number,
            name,
            f"member{number}@example.org",
            password,
            _maybe(dice, 0.6, f"{name.title()} {dice.choice(('O’Neil', 'Żółć', '王', 'van der Berg', ''))}"),
            dice.choice(BIOS),
            int(number == 1),
            int(dice.random() > 0.02 or number <= 200),
            _stamp(_moment(dice)),
            _maybe(dice, 0.8, _stamp(_moment(dice))),
            f"{dice.randrange(-50_00, 90_000_00) / 100:.2f}",
            _maybe(dice, 0.7, json.dumps(settings, ensure_ascii=dice.random() < 0.5)),
            _maybe(dice, 0.1, dice.choice((b"", b"\x00\xff\x00\x89PNG\r\n" + dice.randbytes(200)))),
        )


def _sessions(dice: random.Random, users: int, count: int) -> Iterator[Row]:
    for _ in range(count):
        created = _moment(dice)
        agent = dice.choice((None, "", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "curl/8.5"))
        seen, expires = created + timedelta(hours=dice.randrange(48)), created + timedelta(days=30)
        yield (
            dice.randbytes(24).hex(),
            dice.randint(1, users),
            agent,
            _stamp(created),
            _stamp(seen),
            _stamp(expires),
        )


def _posts(dice: random.Random, users: int, count: int) -> Iterator[Row]:
    """About a third are posts, the others replies; ids have gaps, as after deletions."""
    number = 0
    tops: list[int] = []
    for position in range(count):
        number += 1 if dice.random() < 0.93 else dice.randint(2, 9)
        created = _moment(dice)
        top = not tops or dice.random() < 0.35
        body = _text(dice, 2_000 if position % 997 == 0 else dice.randint(3, 60))
        if position % 11 == 0:
            body = body.replace(" ", "\r\n", 2) + "\r\n\tindented\t"
        yield (
            number,
            dice.randint(1, users),
            None if top else dice.choice(tops),
            _text(dice, dice.randint(1, 12))[:200] if top else None,
            body,
            _stamp(created),
            _maybe(dice, 0.1, _stamp(created + timedelta(minutes=dice.randrange(1, 5000)))),
        )
        if top:
            tops.append(number)


def _votes(dice: random.Random, users: int, posts: list[int], count: int) -> Iterator[Row]:
    pairs: set[tuple[int, int]] = set()
    while len(pairs) < min(count, users * len(posts) // 2):
        pairs.add((dice.randint(1, users), dice.choice(posts)))
    for user, post in sorted(pairs):
        yield user, post, dice.choice((1, 1, 1, -1)), _stamp(_moment(dice))


def _mod_lists(dice: random.Random, users: int, count: int) -> Iterator[Row]:
    number = 0
    for position in range(count):
        number += dice.choice((1, 1, 1, 4))
        mods = [(_text(dice, 2), dice.randrange(1, 400_000)) for _ in range(dice.randint(0, 25))]
        created = _moment(dice)
        yield (
            number,
            dice.randint(1, users),
            f"{_text(dice, 3)} №{position}"[:120],
            dice.choice(GAMES),
            dice.choice((None, "", _text(dice, 30))),
            int(dice.random() < 0.9),
            json.dumps([{"name": name, "size_mb": size / 100} for name, size in mods]),
            f"{sum(size for _, size in mods) / 100:.2f}",
            _maybe(dice, 0.8, "\n".join(name for name, _ in mods).encode()),
            _stamp(created),
            _stamp(created + timedelta(hours=dice.randrange(500))),
        )


def _api_keys(dice: random.Random, users: int, count: int) -> Iterator[Row]:
    for _ in range(count):
        key, created = f"sky_{dice.randbytes(20).hex()}", _moment(dice)
        yield (
            dice.randint(1, users),
            dice.choice(("ci", "Backup skript", "моя программа", "phone 📱")),
            key[:10],
            _digest(key),
            _stamp(created),
            _maybe(dice, 0.5, _stamp(created + timedelta(days=3))),
            _maybe(dice, 0.2, _stamp(created + timedelta(days=9))),
        )


def _resets(dice: random.Random, users: int, count: int) -> Iterator[Row]:
    for _ in range(count):
        created = _moment(dice)
        yield (
            dice.randint(1, users),
            _digest(dice.randbytes(20).hex()),
            _stamp(created),
            _stamp(created + timedelta(hours=1)),
            _maybe(dice, 0.6, _stamp(created + timedelta(minutes=12))),
        )

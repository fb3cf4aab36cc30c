"""Engines as applications really make them: what their options come to, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.code.engine import application_findings
from checks.code.engine_facts import engines_of
from checks.code.sources import read_project
from state.verdicts import Verdict

SAMPLE = Path(__file__).parents[3] / "rehearsal" / "app"
GOOD = "pool_pre_ping=True, pool_recycle=300"
RETRY = "import tenacity\n@tenacity.retry()\ndef work(): ...\n"
ENGINE = "import os\nfrom sqlalchemy import create_engine\n"


def rules(folder: Path, **environment: str) -> set[str]:
    return {one.rule for one in application_findings(read_project(folder), environment)}


def places(folder: Path) -> set[tuple[str, str]]:
    return {(one.where, one.rule) for one in application_findings(read_project(folder), {})}


async def test_the_sample_application_has_one_true_finding(look):
    outcome = await look("code.engine", {"project": str(SAMPLE)})
    assert outcome.verdict is Verdict.WARN
    assert outcome.evidence["findings"] == 1
    assert "no retry" in outcome.actual
    assert "pool_size=5 max_overflow=5" in outcome.evidence["engine db.py:18"]
    assert (await look("code.engine", {"project": str(SAMPLE), "off": ["engine/no-retry"]})).verdict is Verdict.PASS


async def test_nothing_to_see_is_unknown_and_no_folder_is_an_error(look, write):
    assert (await look("code.engine")).verdict is Verdict.UNKNOWN
    write({"hello.py": "print('hello')"})
    assert (await look("code.engine")).verdict is Verdict.UNKNOWN
    assert (await look("code.engine_options")).verdict is Verdict.UNKNOWN
    assert (await look("code.engine", {"project": "nowhere"})).verdict is Verdict.ERROR


STYLES = {
    "flask-config-classes": {
        "config.py": """
            import os
            class Config:
                SQLALCHEMY_DATABASE_URI = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
                POOL = {"pool_size": int(os.getenv("POOL", "4")), "pool_pre_ping": True}
            class ProductionConfig(Config):
                SQLALCHEMY_ENGINE_OPTIONS = {**Config.POOL, "max_overflow": 3, "pool_recycle": 280}
            class TestingConfig(Config):
                SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 100, "max_overflow": 0}
        """,
        "app.py": """
            from flask import Flask
            from flask_sqlalchemy import SQLAlchemy
            from config import ProductionConfig
            db = SQLAlchemy()
            def create_app():
                app = Flask(__name__)
                app.config.from_object(ProductionConfig)
                db.init_app(app)
                return app
        """,
    },
    "app-factory": {
        "shop/__init__.py": """
            import os
            from flask import Flask
            from .extensions import db
            def create_app():
                app = Flask(__name__)
                app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL") or "sqlite:///app.db"
                app.config["SQLALCHEMY_ENGINE_OPTIONS"] = dict(pool_size=4, max_overflow=3, pool_recycle=280)
                app.config["SQLALCHEMY_ENGINE_OPTIONS"].update(pool_pre_ping=bool(1))
                db.init_app(app)
                return app
        """,
        "shop/extensions.py": "from flask_sqlalchemy import SQLAlchemy\ndb = SQLAlchemy()\n",
    },
    "db-module-with-options": {
        "backend/settings.py": """
            from os import environ
            SIZE = int(environ.get("POOL", 4))
            OPTIONS = {"pool_size": SIZE, "max_overflow": SIZE - 1, "pool_recycle": 280, "pool_pre_ping": True}
        """,
        "backend/db.py": """
            import sqlalchemy as sa
            from os import environ
            import settings
            def engine_of(url, **more):
                if not url:
                    raise ValueError("no url")
                return sa.create_engine(url, **settings.OPTIONS, **more)
            engine = engine_of(f"{environ['DATABASE_URL']}", echo=False)
        """,
    },
    "async": {
        "db.py": """
            import os
            from sqlalchemy.ext.asyncio import create_async_engine
            URL = os.environ["DATABASE_URL"]
            if URL.startswith("postgresql://"):
                URL = "postgresql+asyncpg://" + URL[len("postgresql://"):]
            args = {"check_same_thread": False} if URL.startswith("sqlite") else {}
            engine = create_async_engine(URL, pool_size=4, max_overflow=3, pool_recycle=280, pool_pre_ping=True,
                                         connect_args=args)
        """
    },
    "engine-from-config": {
        "db.py": """
            import os
            from sqlalchemy import engine_from_config
            conf = {"sqlalchemy.url": os.environ["DATABASE_URL"], "sqlalchemy.pool_size": 4,
                    "sqlalchemy.max_overflow": 3, "sqlalchemy.pool_recycle": 280}
            engine = engine_from_config(conf, pool_pre_ping=True)
        """
    },
    "pydantic-settings": {
        "db.py": """
            from pydantic_settings import BaseSettings
            from sqlalchemy import create_engine
            class Settings(BaseSettings):
                database_url: str = "sqlite:///dev.db"
                size: int = 4
                @property
                def options(self):
                    return {"pool_size": self.size, "max_overflow": self.size - 1, "pool_recycle": 280}
            settings = Settings()
            engine = create_engine(settings.database_url, pool_pre_ping=True, **settings.options)
        """
    },
}


@pytest.mark.parametrize("style", STYLES)
def test_options_are_worked_out_in_every_style(write, style):
    folder = write({**STYLES[style], "work.py": RETRY})
    (engine,) = engines_of(read_project(folder), {}).all()
    options = [engine.option(name) for name in ("pool_size", "max_overflow", "pool_recycle", "pool_pre_ping")]
    assert options == [4, 3, 280, True]
    assert engine.url is not None and engine.url.startswith("postgresql")
    assert rules(folder) == set()


BROKEN = {
    "engine/no-pre-ping": f"{ENGINE}e = create_engine(os.environ['DATABASE_URL'], pool_recycle=300)",
    "engine/no-recycle": f"{ENGINE}e = create_engine(os.environ['DATABASE_URL'], pool_pre_ping=True)",
    "engine/unresolved": f"{ENGINE}import json\ne = create_engine(os.environ['DATABASE_URL'], **json.load(open('o')))",
    "engine/sqlite-url": f"{ENGINE}e = create_engine('sqlite:///app.db', {GOOD})",
    "engine/scheme": f"{ENGINE}e = create_engine('postgres://h/d', {GOOD})",
    "engine/connect-args": f"{ENGINE}e = create_engine(os.environ['DATABASE_URL'], {GOOD}, "
    "connect_args={'check_same_thread': False})",
    "engine/pool-class": f"{ENGINE}from sqlalchemy.pool import StaticPool\n"
    f"e = create_engine(os.environ['DATABASE_URL'], {GOOD}, poolclass=StaticPool)",
    "engine/contradiction": f"{ENGINE}SQLALCHEMY_ENGINE_OPTIONS = {{'pool_size': 9, 'pool_pre_ping': True, "
    f"'pool_recycle': 300}}\ne = create_engine(os.environ['DATABASE_URL'], pool_size=5, {GOOD})",
    "engine/create-all": f"{ENGINE}from models import Base\ne = create_engine(os.environ['DATABASE_URL'], {GOOD})\n"
    "Base.metadata.create_all(e)",
    "engine/sqlite-open": "import sqlite3 as lite\ndef get():\n    return lite.connect('app.db')",
    "engine/sqlite-errors": "import sqlite3\ntry:\n    work()\nexcept (sqlite3.IntegrityError, sqlite3.Error):\n    pass",
    "sql/pragma": "def f(c):\n    c.execute('PRAGMA foreign_keys = ON')",
    "sql/qmark-parameters": "from sqlalchemy import text\nq = text('SELECT a FROM t WHERE b = ?')",
    "sql/function": "from sqlalchemy import func\ndef f(m):\n    return func.strftime('%Y', m.at)",
    "sql/sqlite-dialect": "from sqlalchemy.dialects.sqlite import insert",
    "sql/insert-or": "Q = 'INSERT OR IGNORE INTO t VALUES (1)'",
    "sql/boolean-default": "import sqlalchemy as sa\nc = sa.Column('a', sa.Boolean(), server_default=sa.text('1'))",
    "code/unreadable": "def (",
}


@pytest.mark.parametrize("rule", BROKEN)
def test_what_is_wrong_is_found_and_nothing_else(write, rule):
    folder = write({"db.py": BROKEN[rule], "work.py": RETRY, "requirements.txt": "psycopg2-binary\n"})
    assert rules(folder) == {rule}


INNOCENT = {
    "a guarded pragma": "def f(c, engine):\n    if engine.dialect.name != 'sqlite':\n        return\n"
    "    c.execute('PRAGMA foreign_keys = ON')",
    "an operator of jsonb": "Q = \"SELECT a FROM t WHERE data ? 'key'\"",
    "prose": 'HELP = "Select a game from the list, or update your settings?"\nU = "Update (all of) your mods: ?"',
    "a docstring": 'def f():\n    """SELECT rowid FROM t WHERE a == ?"""',
    "other errors too": "import sqlite3\nfrom sqlalchemy.exc import IntegrityError\ntry:\n    work()\n"
    "except (sqlite3.IntegrityError, IntegrityError):\n    pass",
    "a quoted name": 'Q = \'SELECT "order" FROM "t" WHERE "order" = :o AND "a" = "b"\'',
    "a boolean in words": "import sqlalchemy as sa\nc = sa.Column('a', sa.Boolean(), server_default='1')",
    "a script that moves the data": "",
}


@pytest.mark.parametrize("case", INNOCENT)
def test_what_is_not_wrong_is_let_be(write, case):
    write({"work.py": RETRY, "migrate_sqlite_to_postgres.py": "import sqlite3\nsqlite3.connect('app.db')"})
    assert rules(write({"db.py": INNOCENT[case]})) == set()


@pytest.mark.parametrize(
    ("caught", "found"),
    [
        ("sqlite3.OperationalError", {"engine/sqlite-errors"}),
        ("sqlite3.Error, KeyError", set()),
        ("sqlite3.Error, DBAPIError", set()),
        ("FileNotFoundError", set()),
    ],
)
def test_an_error_that_is_suppressed_is_caught_as_well(write, caught, found):
    imports = "import sqlite3\nfrom contextlib import suppress\nfrom sqlalchemy.exc import DBAPIError\n"
    assert rules(write({"db.py": f"{imports}with suppress({caught}):\n    work()", "work.py": RETRY})) == found


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("sqlite3.OperationalError, sqlite3.DatabaseError", {"engine/sqlite-errors"}),
        ("sqlite3.Error, OSError, DBAPIError", set()),
    ],
)
def test_errors_that_are_caught_by_the_name_of_their_tuple_are_seen(write, named, found):
    code = f"import sqlite3\nfrom sqlalchemy.exc import DBAPIError\nLOST = ({named})\ntry:\n    work()\nexcept LOST:\n    pass\n"
    assert rules(write({"db.py": code, "work.py": RETRY})) == found


def test_options_that_an_heir_says_anew_are_not_those_of_the_live_application(write):
    config = """
        class Config:
            SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 5, "pool_pre_ping": True, "pool_recycle": 300}
        class Live(Config):
            pass
        class Production(Live):
            SQLALCHEMY_ENGINE_OPTIONS = Config.SQLALCHEMY_ENGINE_OPTIONS | {"pool_size": 20}
    """
    made = f"{ENGINE}e = create_engine(os.environ['DATABASE_URL'], pool_size=20, {GOOD})\n"
    assert rules(write({"config.py": config, "db.py": made, "work.py": RETRY})) == set()
    write({"db.py": made.replace("20", "5")})
    found = list(application_findings(read_project(write({})), {}))
    assert ["pool_size is 5 here and 20 in" in one.message for one in found] == [True]


def test_findings_name_the_line_within_a_statement_of_several_lines(write):
    folder = write({"q.py": 'Q = """\n    SELECT a\n    FROM t\n    WHERE b == 1\n"""\n'})
    assert places(folder) == {("q.py:4", "sql/double-equals")}


def test_a_driver_that_is_not_required_is_named(write):
    db = f"{ENGINE}e = create_engine('postgresql+psycopg://h/d', {GOOD})"
    folder = write({"db.py": db, "work.py": RETRY, "requirements.txt": "flask==3\npsycopg2-binary\n"})
    assert rules(folder) == {"engine/driver"}
    write({"pyproject.toml": "[project]\ndependencies = ['psycopg[binary]>=3']\n"})
    assert rules(folder) == set()


@pytest.mark.parametrize(
    "project",
    [
        {"pyproject.toml": "[project]\ndependencies = ['flask']\n[dependency-groups]\ndev = ['psycopg']\n"},
        {
            "pyproject.toml": "[tool.poetry.dependencies]\nflask = '3'\n[tool.poetry.group.test.dependencies]\npsycopg = '3'"
        },
        {"requirements.txt": "flask\n", "requirements-dev.txt": "psycopg\n"},
        {"requirements/base.txt": "flask\n", "requirements/test.txt": "psycopg\n"},
    ],
)
def test_a_driver_that_only_those_who_work_on_it_install_is_not_there_in_the_live_service(write, project):
    db = f"{ENGINE}e = create_engine('postgresql+psycopg://h/d', {GOOD})"
    assert rules(write({"db.py": db, "work.py": RETRY, **project})) == {"engine/driver"}


def test_a_connection_before_the_fork_is_found_unless_it_is_disposed_of(write):
    db = f"{ENGINE}e = create_engine(os.environ['DATABASE_URL'], {GOOD})\ndef warm():\n    e.connect()\n"
    folder = write({"db.py": db, "work.py": RETRY, "wsgi.py": "from db import warm\nwarm()\n"})
    assert rules(folder) == set()
    write({"gunicorn.conf.py": "preload_app = True\n"})
    assert places(folder) == {("db.py:5", "engine/connects-at-import")}
    write(
        {
            "gunicorn.conf.py": "preload_app = True\ndef post_fork(server, worker):\n    import db\n    db.e.dispose()\n"
        }
    )
    assert rules(folder) == set()


async def test_the_procfile_says_that_gunicorn_preloads(look, write):
    db = f"{ENGINE}e = create_engine(os.environ['DATABASE_URL'], {GOOD})\ne.connect()\n"
    write({"db.py": db, "work.py": RETRY})
    assert (await look("code.engine")).verdict is Verdict.PASS
    write({"Procfile": "web: gunicorn --preload wsgi:app\n"})
    outcome = await look("code.engine")
    assert outcome.verdict is Verdict.FAIL
    assert "gunicorn preloads" in outcome.actual


async def test_a_render_yaml_that_is_named_and_not_there_could_not_be_looked_at(look):
    outcome = await look("code.engine", {"project": str(SAMPLE), "render_yaml": "nowhere.yaml"})
    assert outcome.verdict is Verdict.ERROR


def test_a_retry_is_seen_in_a_loop_that_catches_a_lost_connection(write):
    db = f"{ENGINE}e = create_engine(os.environ['DATABASE_URL'], {GOOD})\n"
    folder = write({"db.py": db})
    assert rules(folder) == {"engine/no-retry"}
    loop = "for _ in range(3):\n    try:\n        work()\n    except OperationalError:\n        pass\n"
    write({"loop.py": f"from sqlalchemy.exc import OperationalError\n{loop}"})
    assert rules(folder) == set()


@pytest.mark.parametrize(
    ("more", "verdict", "demand"),
    [
        ({"limit": 97}, Verdict.PASS, "80"),
        ({"limit": 79}, Verdict.FAIL, "80"),
        ({"limit": 40, "overlap": False}, Verdict.PASS, "40"),
        ({"limit": 97, "environment": {"DB_POOL_SIZE": "15"}}, Verdict.FAIL, "160"),
        ({"limit": 97, "environment": {"WEB_CONCURRENCY": "3"}}, Verdict.FAIL, "120"),
        ({"limit": 97, "workers": 1, "instances": 1}, Verdict.PASS, "20"),
        ({}, Verdict.UNKNOWN, "80"),
        ({"limit": 97, "environment": {"DB_MAX_OVERFLOW": "-1"}}, Verdict.FAIL, "no upper limit"),
        ({"limit": 97, "environment": {"DB_POOL_SIZE": "many"}}, Verdict.UNKNOWN, None),
    ],
)
async def test_the_demand_of_all_processes_is_held_against_the_limit(look, more, verdict, demand):
    outcome = await look("code.engine_options", {"project": str(SAMPLE), "instances": 2, **more})
    assert outcome.verdict is verdict, outcome
    assert outcome.evidence.get("demand") == demand


async def test_the_limit_is_read_from_a_live_server(look, server):
    with_ = {"project": str(SAMPLE), "database_url": "${db}"}
    outcome = await look("code.engine_options", with_, targets={"db": "${env:DB}"}, environ={"DB": server})
    assert (outcome.verdict, outcome.evidence["limit"]) == (Verdict.PASS, 97)
    away = {"DB": "postgresql://a:canary55@127.0.0.1:1/b"}
    blind = await look("code.engine_options", with_, targets={"db": "${env:DB}"}, environ=away)
    assert blind.verdict is Verdict.ERROR
    assert "canary55" not in repr(blind)

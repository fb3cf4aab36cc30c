"""Three small real projects, each as somebody would have made it, with data that SQLite took without a word."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

MODELS = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(80))
    age: Mapped[int | None]


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str]
"""

APP = """
import os

from flask import Flask
from sqlalchemy import create_engine

URL = os.environ.get("DATABASE_URL", "sqlite:///instance/app.db")
app = Flask(__name__)
engine = create_engine(URL.replace("postgresql://", "postgresql+psycopg2://"))


@app.get("/healthz")
def health():
    return {"status": "ok"}
"""

ENV = """
from pathlib import Path

from alembic import context
from app import engine
from models import Base

assert not Path(".env").exists(), "what runs here must not reach the secrets of the project"
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""

FIRST = '''
"""users and posts"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(80), nullable=False),
        sa.Column("age", sa.Integer),
    )
    op.create_table(
        "posts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("title", sa.String, nullable=False),
    )


def downgrade():
    op.drop_table("posts")
    op.drop_table("users")
'''

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email VARCHAR(80) NOT NULL, age INTEGER);
CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id), title VARCHAR NOT NULL);
INSERT INTO users VALUES (1, 'ada@example.org', 36), (2, 'bob@example.org', 41);
INSERT INTO posts VALUES (1, 1, 'Hello'), (2, 2, 'World');
"""
# A text where an integer belongs, and a post of nobody's.
ODD = "INSERT INTO users VALUES (7, 'eve@example.org', 'about forty'); INSERT INTO posts VALUES (9, 4711, 'Lost');"


def sql(path: Path, *scripts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as con:
        for script in scripts:
            con.executescript(script)
        con.commit()


def alembic_project(root: Path, *scripts: str) -> Path:
    """Flask, SQLAlchemy and Alembic; its .env names a database that must never be reached."""
    (root / "migrations" / "versions").mkdir(parents=True)
    (root / "app.py").write_text(APP)
    (root / "models.py").write_text(MODELS)
    (root / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = .\n")
    (root / "migrations" / "env.py").write_text(ENV)
    (root / "migrations" / "versions" / "0001.py").write_text(FIRST)
    (root / ".env").write_text("DATABASE_URL=postgresql://app:canary-live-secret@production.example.org/app\n")
    version = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL); INSERT INTO alembic_version VALUES ('0001');"
    sql(root / "instance" / "app.db", SCHEMA, version, *scripts)
    return root


FLASK_APP = """
import os

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
url = os.environ.get("DATABASE_URL") or "sqlite:///site.db"
app.config["SQLALCHEMY_DATABASE_URI"] = url.replace("postgresql://", "postgresql+psycopg2://")
db = SQLAlchemy(app)
Migrate(app, db)


class User(db.Model):
    __tablename__ = "users"
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String(80), nullable=False)
    age = db.Column(db.Integer)
"""
FLASK_ENV = """
from pathlib import Path

from alembic import context
from flask import current_app

engine = current_app.extensions["migrate"].db.engine
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=current_app.extensions["migrate"].db.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""


def flask_project(root: Path, *scripts: str) -> Path:
    """Flask-SQLAlchemy and Flask-Migrate, the file in instance/, in WAL mode as an application leaves it."""
    versions = root / "migrations" / "versions"
    versions.mkdir(parents=True)
    (root / "wsgi.py").write_text(FLASK_APP)
    (root / "migrations" / "alembic.ini").write_text("[alembic]\n")
    (root / "migrations" / "env.py").write_text(FLASK_ENV)
    (versions / "0001.py").write_text(FIRST)
    sql(root / "instance" / "site.db", "PRAGMA journal_mode = WAL;", SCHEMA, *scripts)
    return root


def plain_project(root: Path, *scripts: str) -> Path:
    """sqlite3 alone, no migrations, the file beside the code."""
    root.mkdir(parents=True)
    (root / "main.py").write_text('import sqlite3\n\ncon = sqlite3.connect("notes.db")\n')
    sql(root / "notes.db", SCHEMA, *scripts)
    return root


def everything(root: Path) -> dict[str, tuple[int, bytes]]:
    """All of a folder, with times: what must be the same afterwards."""
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(root.rglob("*"))
    }

# mypy: disable-error-code="import-not-found"
"""The database: one engine for each process. Creating it opens no connection."""

from typing import Any

from config import HERE, settings
from flask import g
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

BACKEND = make_url(settings.database_url).get_backend_name()
CONNECT_ARGS: dict[str, dict[str, Any]] = {
    "postgresql": {"connect_timeout": 5, "application_name": "skymodder"},
    "sqlite": {"timeout": 5},
}

engine: Engine = create_engine(
    settings.database_url,
    pool_size=settings.pool_size,
    max_overflow=settings.max_overflow,
    pool_timeout=10,
    pool_recycle=300,
    pool_pre_ping=True,
    connect_args=CONNECT_ARGS.get(BACKEND, {}),
)

if BACKEND == "sqlite":
    (HERE / "instance").mkdir(exist_ok=True)

    @event.listens_for(engine, "connect")
    def _prepare_sqlite(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 5000")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()


NewSession = sessionmaker(engine, expire_on_commit=False)


def db() -> Session:
    """The session of the current request; closed at its end."""
    if "db" not in g:
        g.db = NewSession()
    session: Session = g.db
    return session


def close_db(error: BaseException | None = None) -> None:
    session: Session | None = g.pop("db", None)
    if session is not None:
        session.close()

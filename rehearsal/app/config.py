"""Settings, all of them from the environment (see .env.example)."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Settings:
    database_url: str
    secret_key: str
    outbox: Path
    maintenance_file: Path
    commit: str
    instance: str
    pool_size: int
    max_overflow: int


def database_url(raw: str) -> str:
    """The URL for SQLAlchemy: PostgreSQL with the driver by name, SQLite in instance/app.db when empty."""
    if not raw:
        return f"sqlite:///{HERE / 'instance' / 'app.db'}"
    for scheme in ("postgres://", "postgresql://"):
        if raw.startswith(scheme):
            return "postgresql+psycopg2://" + raw.removeprefix(scheme)
    return raw


def current_commit() -> str:
    """The commit checked out here, or "unknown" outside a repository."""
    found = subprocess.run(["git", "-C", str(HERE), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def load(env: Mapping[str, str]) -> Settings:
    return Settings(
        database_url=database_url(env.get("DATABASE_URL", "")),
        secret_key=env.get("SECRET_KEY", "development-only"),
        outbox=HERE / env.get("MAIL_OUTBOX", "outbox"),
        maintenance_file=HERE / env.get("MAINTENANCE_FILE", "maintenance"),
        commit=env.get("RENDER_GIT_COMMIT") or current_commit(),
        instance=env.get("RENDER_INSTANCE_ID", ""),
        pool_size=int(env.get("DB_POOL_SIZE", "5")),
        max_overflow=int(env.get("DB_MAX_OVERFLOW", "5")),
    )


settings = load(os.environ)

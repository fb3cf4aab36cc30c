"""Settings, all of them from the environment (see .env.example)."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class OAuth:
    """A provider of identities that lets people log in."""

    name: str
    authorize_url: str
    token_url: str
    userinfo_url: str
    client_id: str
    client_secret: str


@dataclass(frozen=True)
class Settings:
    database_url: str
    secret_key: str
    outbox: Path
    maintenance_file: Path
    trouble_file: Path
    commit: str
    instance: str
    oauth: OAuth | None
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


def oauth(env: Mapping[str, str]) -> OAuth | None:
    """The provider, if all of it is set."""
    names = ("AUTHORIZE_URL", "TOKEN_URL", "USERINFO_URL", "CLIENT_ID", "CLIENT_SECRET")
    values = [env.get(f"OAUTH_{name}", "") for name in names]
    return OAuth(env.get("OAUTH_NAME") or "OAuth", *values) if all(values) else None


def load(env: Mapping[str, str]) -> Settings:
    return Settings(
        database_url=database_url(env.get("DATABASE_URL", "")),
        secret_key=env.get("SECRET_KEY", "development-only"),
        outbox=HERE / env.get("MAIL_OUTBOX", "outbox"),
        maintenance_file=HERE / env.get("MAINTENANCE_FILE", "maintenance"),
        trouble_file=HERE / env.get("TROUBLE_FILE", "trouble.json"),
        commit=env.get("RENDER_GIT_COMMIT") or current_commit(),
        instance=env.get("RENDER_INSTANCE_ID", ""),
        oauth=oauth(env),
        pool_size=int(env.get("DB_POOL_SIZE", "5")),
        max_overflow=int(env.get("DB_MAX_OVERFLOW", "5")),
    )


settings = load(os.environ)

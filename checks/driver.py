"""Which driver SQLAlchemy takes for a URL's scheme, asked in the application's own interpreter."""

from __future__ import annotations

from checks.alembic import interpreter
from checks.contract import Context
from transfer.errors import CouldNotLook

# The scheme alone goes there: no host, no password.
_ASK = """
import sys
from sqlalchemy.engine import URL
try:
    module = URL.create(sys.argv[1]).get_dialect().import_dbapi()
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}".splitlines()[0])
print(module.__name__, getattr(module, "__version__", "").split(" ")[0])
"""


def driver_of(ctx: Context, python: str, scheme: str) -> tuple[str, str]:
    """(the driver with its version, "") or ("none", why it cannot be loaded) for SCHEME ("postgresql+psycopg2").

    PYTHON is the application's interpreter. Raises CouldNotLook when it cannot be run or has no SQLAlchemy.
    """
    argv = [interpreter(ctx, python), "-c", _ASK, scheme]
    try:
        done = ctx.run_sync(argv, timeout=20)
    except OSError as error:
        raise CouldNotLook(f"{argv[0]}: {error.strerror or error}") from None
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    last = said[-1] if said else f"exit code {done.exit_code}"
    if done.exit_code == 0:
        return last, ""
    if "No module named 'sqlalchemy'" in done.stderr:
        raise CouldNotLook(f"{argv[0]} has no SQLAlchemy: is it the application's interpreter?")
    return "none", last

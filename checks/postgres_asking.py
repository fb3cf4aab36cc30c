"""A look at the server's own statistics, and what every such look has in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2.errors

from metrics.sources.connect_errors import failure_of
from transfer.errors import CouldNotLook, Refused
from transfer.postgres import Cursor, describe_url, look, speaking_of

GRANT = "GRANT pg_monitor TO the role of DATABASE_URL (or look as another role)"
# Workers of the server's own stand in no application's way; where they are hidden they have no user either.
CLIENTS = (
    "datname IS NOT NULL AND usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'"
)


@contextmanager
def asking(url: str, *, statement_timeout: float = 10.0) -> Iterator[Cursor]:
    """A cursor in one read-only transaction; STATEMENT_TIMEOUT in seconds.

    Raises CouldNotLook, and Refused when the server turns us away for want of a free connection: that was seen.
    """
    try:
        connection = look(url, application_name="tminus check", statement_timeout=statement_timeout)
    except CouldNotLook as blind:
        if failure_of(str(blind)) == "no slot is free":
            raise Refused(f"{blind}. No connection is free.") from None
        raise
    with closing(connection), speaking_of(url, connection), connection.cursor() as cur:
        try:
            yield cur
        except psycopg2.errors.InsufficientPrivilege as denied:
            said = str(denied).strip().splitlines()[0]
            raise CouldNotLook(f"{describe_url(url)}: {said}. {GRANT}") from None

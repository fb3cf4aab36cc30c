"""Whether DATABASE_URL leads to the database that the API speaks of, without a password ever being looked at."""

from __future__ import annotations

from dataclasses import dataclass

from checks.contract import Context
from checks.render.client import RenderError
from checks.render.reach import find_database, reach
from checks.render.shapes import Connections
from metrics.sources.render import API
from transfer.errors import TransferError
from transfer.postgres import parameters

_PORT = "5432"  # the internal address has none


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is: all of a URL but its user and its password."""

    host: str
    port: str
    database: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


def address_of(url: str) -> Address:
    """The address in URL. Raises TransferError for what is no URL of PostgreSQL."""
    named = parameters(url)
    return Address(named.get("host", "").lower(), named.get("port") or _PORT, named.get("dbname", ""))


def addresses_of(told: Connections) -> dict[str, Address]:
    """Every address that the API tells, by its kind. Raises RenderError for one that cannot be read."""
    strings = {
        "internal": told.internal_connection_string,
        "external": told.external_connection_string,
        "internal pool": told.internal_connection_pool_string,
        "external pool": told.external_connection_pool_string,
    }
    try:
        return {kind: address_of(string) for kind, string in strings.items() if string}
    except TransferError:
        raise RenderError("the API's connection string cannot be read", "copy DATABASE_URL by hand") from None


@dataclass(frozen=True, slots=True)
class Compared:
    """NAME is the database on Render, KIND the one of its addresses that DATABASE_URL names, "" for none of them."""

    name: str
    kind: str
    told: str


def compared(
    ctx: Context, database_url: str, database: str | None, token: str | None, api_url: str = API
) -> Compared:
    """DATABASE_URL beside what the API tells of DATABASE (id or name).

    Raises RenderError; NotConfigured without a key; TransferError for a DATABASE_URL that cannot be read.
    """
    mine = address_of(database_url)
    with reach(ctx, token, api_url) as api:
        found = find_database(api, database)
        told = addresses_of(api.get(f"/postgres/{found.id}/connection-info", Connections))
    kind = next((kind for kind, address in told.items() if address == mine), "")
    return Compared(f"{found.name} ({found.id})", kind, " or ".join(map(str, told.values())))

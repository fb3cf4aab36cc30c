"""Database URLs: read as libpq reads them, and spoken of without ever saying a password."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import psycopg2
from psycopg2.extensions import parse_dsn

from transfer.errors import Refused

_SCHEME = re.compile(r"^(?:postgres|postgresql)(?:\+[a-z0-9_]+)?://", re.IGNORECASE)
_WRITTEN = re.compile(r"^[^/@:]*:([^@]*)@|[?&](?:ssl)?password=([^&]*)")
_UNKNOWN = re.compile(r'invalid URI query parameter: "([A-Za-z_]{1,40})"')
_ENCODE = "every @ : / ? # % and space in a password or a name has to be %-encoded (@ is %40, / is %2F)."


def parameters(url: str) -> dict[str, str]:
    """The libpq parameters of a URL; postgres://, postgresql:// and SQLAlchemy's postgresql+driver://.

    Raises Refused, which says nothing of the URL, when it cannot be read.
    """
    if not _SCHEME.match(url):
        raise Refused("The database URL does not begin with postgresql:// (or postgres://).")
    if not url.isprintable():  # libpq would end the URL at a NUL, and take a line end for a part of a name
        raise Refused("The database URL holds a line end or another control character: take it out.")
    rest = _SCHEME.sub("", url, count=1)
    try:
        found = dict(parse_dsn("postgresql://" + rest))
    except (psycopg2.Error, UnicodeError, ValueError) as e:
        if unknown := _UNKNOWN.search(str(e)):
            raise Refused(
                f"The database URL sets {unknown[1]}=, which PostgreSQL does not know: leave it out."
            ) from None
        raise Refused("The database URL cannot be read; is a special character not %-encoded?") from None
    # libpq ends a password at the first @ or /: the rest of one would be taken, and shown, as a host or a database.
    _, _, after = rest.partition("@")
    torn = "@" in after.partition("?")[0] or ("@" in rest and "/" in rest.partition("@")[0])
    if torn or not re.fullmatch(r"[\d,]*", found.get("port", "")):
        raise Refused(f"The database URL cannot be read without doubt: {_ENCODE}")
    return found


def describe_url(url: str) -> str:
    """Where a URL leads, as "host:port/database as role"; without the password and without options."""
    p = parameters(url)
    role = p.get("user", "the default role")
    return f"{_host(p)}/{p.get('dbname', p.get('user', ''))} as {role}"


def _host(p: dict[str, str]) -> str:
    hosts = (p.get("host") or p.get("hostaddr") or "local socket").split(",")
    ports = (p.get("port") or "5432").split(",")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    return ",".join(
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in zip(hosts, ports, strict=True)
    )


def without_secret(text: str, url: str) -> str:
    """TEXT with the password of URL, plain, as written there or %-encoded, taken out."""
    p = parameters(url)
    secrets = {p.get("password", ""), p.get("sslpassword", "")}
    for written in _WRITTEN.findall(_SCHEME.sub("", url, count=1)):
        secrets |= {*written, *map(unquote, written)}
    secrets |= {quote(secret, safe="") for secret in secrets}
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text

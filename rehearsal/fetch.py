"""A GET on the loopback. A client for the internet reads a thousand certificates before it asks anything."""

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit


class Unanswered(Exception):
    """There was no answer."""


def get(url: str, *, timeout: float) -> tuple[int, bytes]:
    """The status and the body. Raises Unanswered."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException) as error:
        raise Unanswered(type(error).__name__) from error
    finally:
        connection.close()

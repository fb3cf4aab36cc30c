"""Where a secret may be sent."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def allowed(url: str) -> bool:
    """Whether a secret may go to URL: by https, or by http to this machine alone.

    >>> allowed("https://api.render.com/v1"), allowed("http://127.0.0.1:9/v1"), allowed("http://api.render.com/v1")
    (True, True, False)
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        if parts.scheme == "https":
            return bool(host)
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False

"""A provider of identities: the authorization code flow of OAuth 2 (RFC 6749), with PKCE (RFC 7636) where it is used.

Whoever asks is let in at once, as the person named by `login_hint`: on the stage nobody has a password here.
"""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

CLIENT = "skymodder"
SOMEBODY = "oauth-visitor"
MOST = 1000  # codes and tokens that are remembered

Reply = tuple[int, dict[str, str], bytes]


class Identity:
    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def answer(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        parts = urlsplit(target)
        asked = dict(parse_qsl(parts.query))
        form = dict(parse_qsl(content.decode(errors="replace")))
        with self._lock:
            match method, parts.path:
                case "GET", "/identity/authorize":
                    return self._authorize(asked)
                case "POST", "/identity/token":
                    return self._token(headers, form)
                case "GET", "/identity/userinfo":
                    return self._userinfo(headers)
        return _json(404, {"error": "not_found"})

    def _authorize(self, asked: dict[str, str]) -> Reply:
        back = asked.get("redirect_uri", "")
        # Wrong ones are not sent back: nobody knows where to.
        if asked.get("client_id") != CLIENT or urlsplit(back).hostname not in ("127.0.0.1", "localhost"):
            return _json(400, {"error": "invalid_request", "error_description": "client_id or redirect_uri"})
        state = {"state": asked["state"]} if "state" in asked else {}
        wrong = ""
        if asked.get("response_type") != "code":
            wrong = "unsupported_response_type"
        elif asked.get("code_challenge_method", "S256") != "S256":
            wrong = "invalid_request"
        if wrong:
            return 302, {"Location": _with(back, {"error": wrong} | state)}, b""
        code = secrets.token_urlsafe(24)
        keep = {
            "back": back,
            "name": asked.get("login_hint") or SOMEBODY,
            "challenge": asked.get("code_challenge", ""),
        }
        _put(self._codes, code, keep)
        return 302, {"Location": _with(back, {"code": code} | state)}, b""

    def _token(self, headers: Mapping[str, str], form: dict[str, str]) -> Reply:
        given = (form.get("client_id", ""), form.get("client_secret", ""))
        basic = headers.get("Authorization", "")
        if basic.startswith("Basic "):
            name, _, secret = base64.b64decode(basic[6:] + "==").decode(errors="replace").partition(":")
            given = (name, secret)
        if given[0] != CLIENT or not secrets.compare_digest(given[1].encode(), self._secret.encode()):
            return _json(401, {"error": "invalid_client"})
        if form.get("grant_type") != "authorization_code":
            return _json(400, {"error": "unsupported_grant_type"})
        known = self._codes.pop(form.get("code", ""), None)  # a code is good once
        if known is None or known["back"] != form.get("redirect_uri"):
            return _json(400, {"error": "invalid_grant"})
        if known["challenge"] and known["challenge"] != challenge(form.get("code_verifier", "")):
            return _json(400, {"error": "invalid_grant", "error_description": "code_verifier"})
        token = secrets.token_urlsafe(24)
        _put(self._tokens, token, known["name"])
        return _json(
            200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "openid email"}
        )

    def _userinfo(self, headers: Mapping[str, str]) -> Reply:
        name = self._tokens.get(headers.get("Authorization", "").removeprefix("Bearer "))
        if name is None:
            return 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}, b""
        subject = hashlib.sha256(name.encode()).hexdigest()[:20]
        email = f"{name}@identity.example"
        return _json(200, {"sub": subject, "preferred_username": name, "email": email, "email_verified": True})


def challenge(verifier: str) -> str:
    """The S256 challenge of VERIFIER.

    >>> challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _with(url: str, more: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(more)}"


def _json(status: int, shape: Any) -> Reply:
    return status, {"Cache-Control": "no-store"}, json.dumps(shape).encode()


def _put(kept: dict[str, Any], key: str, value: Any) -> None:
    if len(kept) >= MOST:
        del kept[next(iter(kept))]
    kept[key] = value

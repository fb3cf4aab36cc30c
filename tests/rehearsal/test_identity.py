"""The provider of identities gives a code once, for the secret and the verifier that belong to it."""

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from rehearsal.render.identity import Identity, challenge

BACK = "http://127.0.0.1:1/callback"
ASKED = {"client_id": "skymodder", "redirect_uri": BACK, "response_type": "code", "state": "s&t", "login_hint": "zoë"}


@pytest.fixture
def identity() -> Identity:
    return Identity("secret")


def authorize(identity: Identity, **more: str) -> dict[str, list[str]]:
    status, headers, _ = identity.answer("GET", f"/identity/authorize?{urlencode(ASKED | more)}", {}, b"")
    assert status == 302
    assert headers["Location"].startswith(BACK)
    return parse_qs(urlsplit(headers["Location"]).query)


def token(identity: Identity, code: str, **more: str) -> tuple[int, dict[str, str]]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    form |= {"client_id": "skymodder", "client_secret": "secret"} | more
    status, _, body = identity.answer("POST", "/identity/token", {}, urlencode(form).encode())
    return status, json.loads(body)


def test_a_code_becomes_a_token_once_and_the_token_tells_who_it_is(identity: Identity) -> None:
    back = authorize(identity)
    assert back["state"] == ["s&t"]
    status, said = token(identity, back["code"][0])
    assert (status, said["token_type"]) == (200, "Bearer")
    assert token(identity, back["code"][0]) == (400, {"error": "invalid_grant"})
    headers = {"Authorization": f"Bearer {said['access_token']}"}
    person = json.loads(identity.answer("GET", "/identity/userinfo", headers, b"")[2])
    assert (person["preferred_username"], person["email_verified"]) == ("zoë", True)
    assert identity.answer("GET", "/identity/userinfo", {}, b"")[0] == 401


def test_a_code_is_of_no_use_without_its_verifier_its_secret_and_its_address(identity: Identity) -> None:
    pkce = {"code_challenge": challenge("right"), "code_challenge_method": "S256"}
    for wrong in ({}, {"code_verifier": "wrong"}, {"code_verifier": "right", "redirect_uri": f"{BACK}2"}):
        assert token(identity, authorize(identity, **pkce)["code"][0], **wrong)[0] == 400
    assert token(identity, authorize(identity)["code"][0], client_secret="other") == (
        401,
        {"error": "invalid_client"},
    )
    assert token(identity, authorize(identity, **pkce)["code"][0], code_verifier="right")[0] == 200


def test_who_asks_wrongly_is_told_where_it_is_safe(identity: Identity) -> None:
    assert authorize(identity, response_type="token")["error"] == ["unsupported_response_type"]
    assert authorize(identity, code_challenge_method="plain")["error"] == ["invalid_request"]
    for wrong in ({"client_id": "x"}, {"redirect_uri": "https://elsewhere.example/"}):
        asked = urlencode(ASKED | wrong)
        assert identity.answer("GET", f"/identity/authorize?{asked}", {}, b"")[0] == 400

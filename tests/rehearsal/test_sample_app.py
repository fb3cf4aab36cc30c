"""The sample app does what its visitors expect, over HTTP, on SQLite, with two workers."""

import re
import secrets
import sqlite3
from email import message_from_bytes
from email.policy import default

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from rehearsal.seed import PASSWORD, username
from tests.rehearsal.browser import Browser
from tests.rehearsal.conftest import Site


@pytest.fixture
def someone(site: Site) -> Browser:
    browser = Browser(site.url)
    browser.name = f"u{secrets.token_hex(4)}"  # type: ignore[attr-defined]
    assert browser.register(browser.name).status_code == 303  # type: ignore[attr-defined]
    return browser


def metric(site: Site, name: str, **labels: str) -> float:
    text = httpx.get(f"{site.url}/metrics", trust_env=False).text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]
    assert samples, f"{name} is not there"
    return sum(s.value for s in samples if labels.items() <= s.labels.items())


def test_healthz_says_which_database_answers(site: Site) -> None:
    answer = httpx.get(f"{site.url}/healthz", trust_env=False)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["status"], said["database"], said["maintenance"]) == ("ok", "sqlite", False)


def test_a_seeded_user_can_log_in_and_a_wrong_password_cannot(site: Site) -> None:
    assert Browser(site.url).login(username(2), PASSWORD).status_code == 303
    assert Browser(site.url).login(username(2), "wrong").status_code == 401


def test_registering_logs_in_and_a_taken_name_is_refused(site: Site, someone: Browser) -> None:
    assert "Log out" in someone.get("/").text
    assert Browser(site.url).register(someone.name).status_code == 409  # type: ignore[attr-defined]


def test_the_session_is_a_row_and_the_cookie_holds_its_id_alone(site: Site, someone: Browser) -> None:
    sid = someone.http.cookies["session"]
    with sqlite3.connect(site.sqlite) as connection:
        assert connection.execute("SELECT count(*) FROM user_sessions WHERE id = ?", (sid,)).fetchone() == (1,)
    assert someone.submit("/", "/logout").status_code == 303
    with sqlite3.connect(site.sqlite) as connection:
        assert connection.execute("SELECT count(*) FROM user_sessions WHERE id = ?", (sid,)).fetchone() == (0,)


def test_a_form_without_its_token_is_refused(someone: Browser) -> None:
    refused = someone.http.post("/community", data={"title": "a", "body": "b"})
    assert refused.status_code == 400
    assert someone.http.post("/community", data={"title": "a", "body": "b", "csrf_token": "é"}).status_code == 400


def test_post_reply_and_one_vote_a_user(someone: Browser) -> None:
    made = someone.submit("/", "/community", title="光 & <b>", body="first\nsecond")
    path = made.headers["Location"]
    page = someone.get(path).text
    assert "光 &amp; &lt;b&gt;" in page
    reply = someone.submit(path, f"{path}/reply", body="an answer 🐉")
    assert "#post-" in reply.headers["Location"]
    assert "an answer 🐉" in someone.get(path).text
    for value, score in (("1", "1"), ("1", "1"), ("-1", "-1")):
        assert someone.submit(path, f"{path}/vote", value=value).status_code == 303
        assert f'id="score">{score}<' in someone.get(path).text
    assert someone.submit(path, f"{path}/vote", value="7").status_code == 400


def test_a_mod_list_adds_up_its_sizes(someone: Browser) -> None:
    made = someone.submit("/lists", name="Mine", game="Morrowind", description="", mods="a | 0.1\nb | 0.2\n\nc")
    number = made.headers["Location"].rsplit("/", 1)[1]
    saved = someone.get(f"/api/lists/{number}").json()
    assert saved["total_size_mb"] == "0.30"
    assert [mod["name"] for mod in saved["mods"]] == ["a", "b", "c"]


def test_an_api_key_opens_the_api_until_it_is_revoked(site: Site, someone: Browser) -> None:
    page = someone.submit("/keys", name="ci")
    found = re.search(r'id="new-key">([^<]+)<', page.text)
    assert found is not None
    headers = {"Authorization": f"Bearer {found[1]}"}

    def post() -> httpx.Response:
        sent = {"title": "by key", "body": "text"}
        return httpx.post(f"{site.url}/api/posts", json=sent, headers=headers, trust_env=False)

    assert post().status_code == 201
    revoke = re.search(r'action="(/keys/\d+/revoke)"', someone.get("/keys").text)
    assert revoke is not None
    assert someone.submit("/keys", revoke[1]).status_code == 303
    assert post().status_code == 401
    assert httpx.get(f"{site.url}/api/me", trust_env=False).status_code == 401


def test_a_forgotten_password_is_reset_by_mail_once(site: Site, someone: Browser) -> None:
    name = someone.name  # type: ignore[attr-defined]
    stranger = Browser(site.url)
    outbox = site.folder / "outbox"
    assert stranger.submit("/forgot", email="nobody@example.org").status_code == 200
    before = set(outbox.glob("*.eml"))
    assert stranger.submit("/forgot", email=f"{name}@example.org").status_code == 200
    (mail,) = set(outbox.glob("*.eml")) - before
    text = message_from_bytes(mail.read_bytes(), policy=default).get_content()
    link = re.search(r"/reset/\S+", text)
    assert link is not None
    assert stranger.submit(link[0], password="quite another").status_code == 303
    assert stranger.get(link[0]).status_code == 404
    assert Browser(site.url).login(name).status_code == 401
    assert Browser(site.url).login(name, "quite another").status_code == 303
    assert "Log out" not in someone.get("/").text


def test_maintenance_refuses_every_write_and_writes_nothing(site: Site, someone: Browser) -> None:
    path = someone.submit("/", "/community", title="before", body="x").headers["Location"]
    # Old enough that an ordinary GET would touch it.
    with sqlite3.connect(site.sqlite) as connection:
        connection.execute("UPDATE user_sessions SET last_seen_at = '2020-01-01 00:00:00.000000'")
        connection.execute("UPDATE api_keys SET last_used_at = NULL")
    watcher = sqlite3.connect(site.sqlite)
    version = watcher.execute("PRAGMA data_version").fetchone()
    files = {p.name: p.read_bytes() for p in site.sqlite.parent.glob("app.db*") if not p.name.endswith("-shm")}
    site.maintenance.touch()
    try:
        for _ in range(6):  # both workers
            assert someone.get(path).status_code == 200
        for target, fields in (
            ("/community", {"title": "t", "body": "b"}),
            (f"{path}/vote", {"value": "1"}),
            (f"{path}/reply", {"body": "b"}),
            ("/logout", {}),
        ):
            refused = someone.submit("/lists", target, **fields)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
        assert Browser(site.url).register("late").status_code == 503
        for method in ("PUT", "DELETE", "PATCH"):
            assert someone.http.request(method, path).status_code == 503
        assert httpx.get(f"{site.url}/healthz", trust_env=False).json()["maintenance"] is True
        assert watcher.execute("PRAGMA data_version").fetchone() == version
        for name, content in files.items():
            assert (site.sqlite.parent / name).read_bytes() == content
    finally:
        site.maintenance.unlink()
    assert someone.get(path).status_code == 200
    assert watcher.execute("PRAGMA data_version").fetchone() != version, "a GET after it touches the session"
    watcher.close()


def test_metrics_count_every_request_of_both_workers(site: Site) -> None:
    before = metric(site, "flask_http_request_total", method="GET", status="404")
    for _ in range(40):
        assert httpx.get(f"{site.url}/nowhere", trust_env=False).status_code == 404
    answers = {metric(site, "flask_http_request_total", method="GET", status="404") for _ in range(8)}
    assert answers == {before + 40}, "whichever worker is asked says the same"


def test_metrics_hold_the_pool_of_both_workers(site: Site) -> None:
    for _ in range(10):
        httpx.get(f"{site.url}/healthz", trust_env=False)
    assert metric(site, "app_workers") == 2
    assert metric(site, "sqlalchemy_pool_size") == 10
    assert metric(site, "sqlalchemy_pool_max") == 20
    assert metric(site, "sqlalchemy_pool_overflow") == 0
    assert metric(site, "sqlalchemy_pool_checked_out") == 0
    assert 1 <= metric(site, "sqlalchemy_pool_checked_in") <= 10
    assert metric(site, "app_writes_in_flight") == 0
    assert metric(site, "flask_http_request_duration_seconds_count", path="/healthz") >= 10

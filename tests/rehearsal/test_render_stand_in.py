"""What stands in for Render: a push deploys and loses no request, what fails leaves the old version, the API answers."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest

from rehearsal.__main__ import main
from rehearsal.control import Layout
from rehearsal.fetch import get
from rehearsal.ports import is_free
from rehearsal.processes import read_run_file, wait_until
from rehearsal.render.book import IN_FLIGHT
from rehearsal.seed import migrate
from rehearsal.stage import Stage, end_stage, set_stage
from tests.rehearsal.browser import Browser

pytestmark = [pytest.mark.xdist_group("render-stage"), pytest.mark.long]
MOVE = "Migrate to PostgreSQL for persistent storage"


class Render:
    """The API, as a client has it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        headers = {"Authorization": f"Bearer {stage.render_token}"}
        self.http = httpx.Client(base_url=stage.render_api, headers=headers, trust_env=False, timeout=30.0)
        self.service = f"/services/{stage.render_service}"

    def get(self, path: str, /, **params: Any) -> Any:
        return self.http.get(path, params=params).raise_for_status().json()

    def deploys(self, service: str = "") -> list[dict[str, Any]]:
        return [one["deploy"] for one in self.get(f"{service or self.service}/deploys", limit=100)]

    def deploy(self, **body: Any) -> dict[str, Any]:
        answer = self.http.post(f"{self.service}/deploys", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def known(self, service: str = "") -> dict[str, str]:
        """The status of every deploy, as it is written down: asking often would use up the rate limit."""
        ident = service.removeprefix("/services/") or self.stage.render_service
        book = json.loads(Layout(self.stage.folder).book.read_text())
        return {one["id"]: one["status"] for one in book["deploys"] if one["service"] == ident}

    def end_of(self, deploy: str, service: str = "") -> str:
        """The status with which DEPLOY ended, as the API says it."""
        assert wait_until(lambda: self.known(service)[deploy] not in IN_FLIGHT, 60, every=0.05)
        return str(self.get(f"{service or self.service}/deploys/{deploy}")["status"])

    def newest(self, before: set[str], service: str = "") -> str:
        """The id of a deploy that was not there BEFORE."""
        assert wait_until(lambda: not before >= set(self.known(service)), 20, every=0.05)
        return next(one for one in self.known(service) if one not in before)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage") / "a stage"
    try:
        yield set_stage(folder, users=12, visitors=False)
    finally:
        end_stage(folder, remove=True)


@pytest.fixture(scope="module")
def render(stage: Stage) -> Render:
    made = Render(stage)
    # One worker is enough here. The next deploy takes it.
    made.http.put(f"{made.service}/env-vars/WEB_CONCURRENCY", json={"value": "1"}).raise_for_status()
    return made


def order(stage: Stage, *words: str) -> None:
    assert main([*words, "--stage", str(stage.folder)]) == 0


def git(stage: Stage, *words: str) -> str:
    argv = ["git", "-C", str(stage.app_dir), *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def health(url: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(get(f"{url}/livez", timeout=20)[1])
    return said


def test_who_has_no_key_is_told_nothing(render: Render) -> None:
    for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": "Bearer é".encode()}, {}):
        answer = httpx.get(f"{render.stage.render_api}/services", headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


def test_errors_are_objects_with_a_message(render: Render) -> None:
    for method, path, status, message in (
        ("GET", "/services/srv-nobody", 404, "not found: srv-nobody"),
        ("GET", f"{render.service}/deploys/dep-nobody", 404, "not found: dep-nobody"),
        ("GET", "/nothing", 404, "not found"),
        ("DELETE", render.service, 405, "method not allowed"),
        ("GET", f"{render.service}/deploys?limit=0", 400, "invalid limit: '0'"),
        ("GET", f"{render.service}/deploys?cursor=x", 400, "invalid cursor"),
        ("POST", f"{render.service}/jobs", 400, "invalid request body: an object is needed"),
    ):
        answer = render.http.request(method, path)
        assert (answer.status_code, answer.json()) == (status, {"message": message})


def test_lists_come_in_pages_that_a_cursor_joins(render: Render) -> None:
    service = f"/services/{render.stage.render_staging_service}"
    body = [{"key": f"K{number}", "value": str(number)} for number in range(5)]
    before = render.get(f"{service}/env-vars")
    kept = [{"key": one["envVar"]["key"], "value": one["envVar"]["value"]} for one in before]
    assert render.http.put(f"{service}/env-vars", json=[*kept, *body]).status_code == 200
    keys: list[str] = []
    cursor: dict[str, str] = {}
    while page := render.get(f"{service}/env-vars", limit=2, **cursor):
        keys += [one["envVar"]["key"] for one in page]
        cursor = {"cursor": page[-1]["cursor"]}
    assert sorted(keys) == sorted({one["key"] for one in [*kept, *body]})
    assert [one["service"]["name"] for one in render.get("/services", name="skymodder")] == ["skymodder"]
    assert render.http.put(f"{service}/env-vars", json=kept).status_code == 200


def test_too_many_changes_of_a_service_are_refused_for_a_while(render: Render) -> None:
    path = f"/services/{render.stage.render_staging_service}"
    answers = [render.http.patch(path, json={"autoDeploy": "yes"}) for _ in range(11)]
    assert [one.status_code for one in answers] == [200] * 10 + [429]
    assert answers[0].headers["Ratelimit-Limit"] == "10"
    assert [int(one.headers["Ratelimit-Remaining"]) for one in answers] == [*range(9, -1, -1), 0]
    assert 1 <= int(answers[-1].headers["Retry-After"]) == int(answers[-1].headers["Ratelimit-Reset"]) <= 60
    assert "message" in answers[-1].json()


def test_a_service_a_deploy_and_a_database_have_their_fields(render: Render) -> None:
    service = render.get(render.service)
    assert (service["type"], service["autoDeploy"], service["suspended"]) == ("web_service", "yes", "not_suspended")
    assert service["serviceDetails"]["healthCheckPath"] == "/livez"
    assert service["serviceDetails"]["maintenanceMode"] == {"enabled": False, "uri": ""}
    first = render.deploys()[-1]
    assert (first["status"], first["commit"]["message"]) == ("live", "SkyModder")
    database = render.get(f"/postgres/{render.stage.render_database}")
    assert (database["status"], database["version"], database["role"]) == ("available", "18", "primary")
    info = render.get(f"/postgres/{render.stage.render_database}/connection-info")
    assert info["internalConnectionString"] == render.stage.database_url
    assert render.get(f"/postgres/{render.stage.render_database}/recovery")["recoveryStatus"] == "AVAILABLE"


@pytest.mark.parametrize("what", ["build", "health"])
def test_a_deploy_that_fails_leaves_the_old_version_live(render: Render, what: str) -> None:
    before, live = health(render.stage.base_url), render.deploys()[-1]["id"]
    order(render.stage, "build", "--health", "1")
    order(render.stage, "fail", what)
    deploy = render.deploy()
    assert render.end_of(deploy["id"]) == {"build": "build_failed", "health": "update_failed"}[what]
    assert health(render.stage.base_url)["instance"] == before["instance"]
    assert {one["id"]: one["status"] for one in render.deploys()}[live] == "live"
    said = render.get(
        "/logs", ownerId=render.stage.render_owner, resource=render.stage.render_service, type="build", limit=5
    )
    text = {"build": "Build failed: exited with status 1", "health": "Timed out: the health check"}[what]
    assert any(text in one["message"] for one in said["logs"])
    order(render.stage, "build")


def test_a_deploy_under_way_is_cancelled_and_the_next_one_waits_for_it(render: Render) -> None:
    before = health(render.stage.base_url)["instance"]
    order(render.stage, "build", "--seconds", "60")
    first = render.deploy()
    waiting = render.http.post(f"{render.service}/deploys", json={})
    assert (waiting.status_code, waiting.content) == (202, b"")
    second = render.newest({first["id"], *(one["id"] for one in render.deploys()[1:])})
    assert render.http.post(f"{render.service}/deploys/{second}/cancel").status_code == 200
    assert render.http.post(f"{render.service}/deploys/{first['id']}/cancel").status_code == 200
    assert {render.end_of(second), render.end_of(first["id"])} == {"canceled"}
    assert render.http.post(f"{render.service}/deploys/{second}/cancel").status_code == 409
    assert health(render.stage.base_url)["instance"] == before
    order(render.stage, "build")


def test_the_maintenance_page_is_the_read_only_mode(render: Render) -> None:
    mode = {"serviceDetails": {"maintenanceMode": {"enabled": True, "uri": ""}}}
    assert render.http.patch(render.service, json=mode).json()["serviceDetails"]["maintenanceMode"]["enabled"] is True
    assert health(render.stage.base_url)["maintenance"] is True
    assert Browser(render.stage.base_url).register("late").status_code == 503
    order(render.stage, "maintenance", "off")
    assert render.get(render.service)["serviceDetails"]["maintenanceMode"]["enabled"] is False


class Crowd:
    """Visitors who ask some fifty times a second each, and count what they get."""

    def __init__(self, url: str) -> None:
        self.url, self.stop, self.seen = url, threading.Event(), Counter[str]()
        self.threads = [threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(3)]

    def _ask(self, keep: bool) -> None:
        """KEEP: over one connection, as a browser does."""
        with httpx.Client(base_url=self.url, trust_env=False, timeout=20.0) as client:
            while not self.stop.wait(0.02):
                try:
                    answer = client.get("/lists", headers={} if keep else {"Connection": "close"})
                    self.seen[f"{answer.status_code} {answer.headers.get('X-Database')}"] += 1
                except httpx.HTTPError as error:
                    self.seen[type(error).__name__] += 1

    def __enter__(self) -> "Crowd":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


def test_a_push_deploys_on_postgresql_and_no_request_is_lost(render: Render) -> None:
    stage = render.stage
    migrate(stage.app_dir, database_url=stage.database_url)
    before = {one["id"]: one["status"] for one in render.deploys()}
    assert git(stage, "log", "--format=%s", "render/main..main") == MOVE
    with Crowd(stage.base_url) as crowd:
        git(stage, "push", "render", "main")
        deploy = render.newest(set(before))
        assert render.end_of(deploy) == "live"
        assert wait_until(lambda: crowd.seen["200 postgresql"] > 5, 20)
        assert wait_until(lambda: not (stage.folder / "run" / "draining").exists(), 20)
    assert set(crowd.seen) == {"200 sqlite", "200 postgresql"}
    made = render.get(f"{render.service}/deploys/{deploy}")
    assert (made["trigger"], made["commit"]["id"]) == ("new_commit", git(stage, "rev-parse", "HEAD"))
    assert made["finishedAt"] >= made["startedAt"] >= made["createdAt"]
    after = {one["id"]: one["status"] for one in render.deploys()}
    assert [after[ident] for ident, status in before.items() if status == "live"] == ["deactivated"]
    assert (stage.folder / "run" / "database").read_text() == "postgresql"


def test_trouble_is_of_the_database_in_use_alone(render: Render, capsys: pytest.CaptureFixture[str]) -> None:
    stage = render.stage
    assert health(stage.base_url)["database"] == "postgresql"
    order(stage, "break", "errors", "--share", "1")
    assert capsys.readouterr().out == "100% of the requests go wrong while the app is on postgresql\n"
    assert httpx.get(f"{stage.base_url}/lists", trust_env=False).status_code == 500
    assert health(stage.base_url)["status"] == "ok"
    order(stage, "break", "errors", "--share", "1", "--database", "sqlite")
    assert httpx.get(f"{stage.base_url}/lists", trust_env=False).status_code == 200
    order(stage, "repair")
    assert not (stage.folder / "trouble.json").exists()


def test_with_auto_deploy_off_a_push_deploys_nothing_and_a_deploy_takes_it(render: Render) -> None:
    stage = render.stage
    assert render.http.patch(render.service, json={"autoDeploy": "no"}).json()["autoDeployTrigger"] == "off"
    known = {one["id"] for one in render.deploys()}
    git(stage, "revert", "--no-edit", "HEAD")
    git(stage, "push", "render", "main")

    def synced() -> bool:
        return str(render.get(f"{render.service}/env-vars/DATABASE_URL")["value"]).startswith("sqlite:")

    assert wait_until(synced, 10, every=0.1)
    assert {one["id"] for one in render.deploys()} == known
    assert health(stage.base_url)["database"] == "postgresql"
    deploy = render.deploy(commitId=git(stage, "rev-parse", "HEAD"))
    assert render.end_of(deploy["id"]) == "live"
    assert health(stage.base_url)["database"] == "sqlite"


def test_a_rollback_brings_back_code_and_variables_of_then(render: Render) -> None:
    target = next(one for one in render.deploys() if one["commit"]["message"] == MOVE)
    assert target["status"] == "deactivated"
    answer = render.http.post(f"{render.service}/rollback", json={"deployId": target["id"]})
    assert (answer.status_code, answer.json()["trigger"]) == (201, "rollback")
    assert render.end_of(answer.json()["id"]) == "live"
    said = health(render.stage.base_url)
    assert (said["database"], said["commit"]) == ("postgresql", target["commit"]["id"])
    assert render.get(render.service)["autoDeploy"] == "no"
    failed = next(one for one in render.deploys() if one["status"] == "build_failed")
    assert render.http.post(f"{render.service}/rollback", json={"deployId": failed["id"]}).status_code == 400


def test_a_job_runs_with_the_code_and_the_variables_but_without_the_disk(render: Render) -> None:
    look = "import os, config; print(os.environ['RENDER_SERVICE_NAME'], os.path.exists('instance'))"
    ends = []
    for line in (f'python -c "{look}"', 'python -c "raise SystemExit(3)"', "no-such-program"):
        job = render.http.post(f"{render.service}/jobs", json={"startCommand": line}).raise_for_status().json()
        path = f"{render.service}/jobs/{job['id']}"
        assert wait_until(lambda path=path: "finishedAt" in render.get(path), 20, every=0.1)
        ends.append(render.get(path)["status"])
        said = render.get("/logs", ownerId=render.stage.render_owner, resource=job["id"])["logs"]
        if len(ends) == 1:
            assert [one["message"] for one in said] == ["skymodder False"]
    assert ends == ["succeeded", "failed", "failed"]


def test_logs_come_in_pages_that_join_without_a_gap(render: Render) -> None:
    asked = {"ownerId": render.stage.render_owner, "resource": render.stage.render_service, "type": "build"}
    whole = render.get("/logs", limit=100, **asked)
    wanted = [one["id"] for one in whole["logs"]]
    for direction in ("backward", "forward"):
        found: list[str] = []
        times = {"startTime": whole["logs"][-1]["timestamp"], "endTime": whole["logs"][0]["timestamp"]}
        more = True
        while more:
            page = render.get("/logs", limit=7, direction=direction, **asked, **times)
            found += [one["id"] for one in page["logs"]]
            times = {"startTime": page["nextStartTime"], "endTime": page["nextEndTime"]}
            more = page["hasMore"]
        assert found == (wanted if direction == "backward" else wanted[::-1])
    assert render.http.get("/logs", params={"resource": render.stage.render_service}).status_code == 400
    requests = render.get("/logs", **{**asked, "type": "request"}, path="/lists", statusCode="500")["logs"]
    assert requests and all("/lists" in one["message"] for one in requests)


def test_what_the_service_used_and_answered_is_measured(render: Render) -> None:
    asked = {"resource": render.stage.render_service, "resolutionSeconds": 30}
    memory = render.get("/metrics/memory", **asked)
    assert memory and all(one["unit"] == "bytes" for one in memory)
    assert 10e6 < memory[-1]["values"][-1]["value"] < 1e9
    counted = render.get("/metrics/http-requests", aggregateBy="statusCode", **asked)
    by_status = {one["labels"][1]["value"]: sum(v["value"] for v in one["values"]) for one in counted}
    assert by_status["200"] > 10 and by_status["503"] >= 1
    latency = render.get("/metrics/http-latency", quantile=["0.5", "0.95"], **asked)
    assert [one["labels"][1] for one in latency] == [
        {"field": "quantile", "value": "0.5"},
        {"field": "quantile", "value": "0.95"},
    ]
    base = render.get("/metrics/active-connections", resource=render.stage.render_database)
    assert base[0]["values"][-1]["value"] >= 0
    assert render.get("/metrics/cpu", resource="srv-nobody") == []
    assert render.http.get("/metrics/cpu", params={**asked, "resolutionSeconds": 10}).status_code == 400


def test_an_export_is_a_dump_that_is_ready_when_it_has_an_address(render: Render, tmp_path: Path) -> None:
    path = f"/postgres/{render.stage.render_database}/export"
    answer = render.http.post(path)
    assert (answer.status_code, answer.content) == (202, b"")
    assert wait_until(lambda: "url" in render.get(path)[0], 20, every=0.1)
    (tmp_path / "dump.tar.gz").write_bytes(httpx.get(render.get(path)[0]["url"], trust_env=False).content)
    listed = subprocess.run(["tar", "-tzf", tmp_path / "dump.tar.gz"], check=True, capture_output=True, text=True)
    assert any(line.endswith("/toc.dat") for line in listed.stdout.splitlines())


def test_a_login_with_the_provider_makes_a_member_and_knows_them_again(render: Render) -> None:
    url = render.stage.base_url
    assert "Log in with Rehearsal ID" in httpx.get(f"{url}/login", trust_env=False).text
    for _ in range(2):
        with httpx.Client(base_url=url, trust_env=False, follow_redirects=True) as browser:
            page = browser.get("/login/oauth", params={"login_hint": "zoë"})
            assert page.status_code == 200
            assert page.url.path == "/community"
            assert ">zoë</a>" in page.text
    stranger = httpx.get(f"{url}/login/oauth/callback", params={"code": "x", "state": ""}, trust_env=False)
    assert stranger.status_code == 400
    with httpx.Client(base_url=url, trust_env=False) as browser:
        back = browser.get(browser.get("/login/oauth").headers["Location"]).headers["Location"]
        assert browser.get(back.replace("state=", "state=x")).status_code == 400
        (render.stage.maintenance).touch()
        try:
            assert browser.get(back).status_code == 503
        finally:
            render.stage.maintenance.unlink()


def test_staging_is_deployed_by_a_push_to_its_branch_on_a_database_of_its_own(render: Render) -> None:
    stage, service = render.stage, f"/services/{render.stage.render_staging_service}"
    assert not stage.staging_sqlite.exists()
    assert httpx.get(stage.staging_url, trust_env=False).status_code == 502
    git(stage, "push", "render", "HEAD~1:refs/heads/staging")
    deploy = render.newest(set(), service)
    assert render.end_of(deploy, service) == "live"
    said = health(stage.staging_url)
    assert (said["database"], said["commit"]) == ("postgresql", git(stage, "rev-parse", "HEAD~1"))
    assert stage.staging_sqlite.exists()
    psycopg2.connect(stage.staging_database_url).close()
    order(stage, "restart", "--staging")
    assert health(stage.staging_url)["instance"] != said["instance"]


def test_a_suspended_service_answers_nobody_until_it_is_resumed(render: Render) -> None:
    service, url = f"/services/{render.stage.render_staging_service}", render.stage.staging_url
    assert render.http.post(f"{service}/suspend").status_code == 202
    assert (render.get(service)["suspended"], httpx.get(url, trust_env=False).status_code) == ("suspended", 503)
    known = {one["id"] for one in render.deploys(service)}
    assert render.http.post(f"{service}/resume").status_code == 202
    deploy = render.newest(known, service)
    assert render.get(f"{service}/deploys/{deploy}")["trigger"] == "service_resumed"
    render.http.post(f"{service}/deploys/{deploy}/cancel").raise_for_status()
    assert render.end_of(deploy, service) == "canceled"


def test_a_stage_whose_supervisor_was_killed_in_a_deploy_goes_on_with_what_was_live(render: Render) -> None:
    stage = render.stage
    before = health(stage.base_url)
    order(stage, "build", "--seconds", "60")
    deploy = render.deploy()["id"]
    assert wait_until(lambda: render.known()[deploy] == "build_in_progress", 20)
    supervisor = read_run_file(Layout(stage.folder).run_file("supervisor"))
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    ports = [
        int(url.rsplit(":", 1)[1].split("/")[0]) for url in (stage.base_url, stage.staging_url, stage.render_api)
    ]
    assert wait_until(lambda: all(is_free(port) for port in ports), 10)
    end_stage(stage.folder)
    again = set_stage(stage.folder, users=12, visitors=False)
    assert again == stage
    assert render.get(f"{render.service}/deploys/{deploy}")["status"] == "canceled"
    after = health(stage.base_url)
    assert (after["commit"], after["database"]) == (before["commit"], before["database"])
    assert after["instance"] != before["instance"]


def test_no_secret_stands_in_the_arguments_of_a_process(stage: Stage) -> None:
    secrets = [stage.render_token.encode(), stage.oauth_secret.encode(), stage.database_url.split(":")[2].encode()]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            assert not any(secret in words for secret in secrets)
    assert json.loads((stage.folder / "stage.json").read_text())["python"] == sys.executable

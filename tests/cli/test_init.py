"""`tminus init`: what was found stands there with its place, what was not is a TODO, and the whole is sound."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from state.targets import resolve
from tests.cli.projects import alembic_project, everything, flask_project, plain_project, sql
from tminus.cli.init import command
from tminus.cli.validate import command as validate
from tminus.definition import load
from tminus.practice.overlay import shipped
from tminus.survey import survey
from tminus.survey.draft import draft

RENDER = """
services:
  - type: web
    name: shop
    region: frankfurt
    healthCheckPath: /up
    startCommand: gunicorn wsgi:app
    domains: [shop.example.net]
    envVars:
      - key: DATABASE_URL
        fromDatabase: { name: shop-db, property: connectionString }
  - type: web
    name: shop-staging
  - type: worker
    name: mailer
databases:
  - name: shop-db
"""


def init(*argv: str | Path):
    return CliRunner().invoke(command, [str(one) for one in argv])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = flask_project(tmp_path / "shop")
    (root / "render.yaml").write_text(RENDER)
    (root / ".git").mkdir()
    remote = '[remote "origin"]\n\turl = https://x:canary-token@example.org/shop.git\n'
    (root / ".git" / "config").write_text(remote)
    (root / ".git" / "HEAD").write_text("ref: refs/heads/live\n")
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "pyvenv.cfg").touch()
    (root / ".venv" / "bin" / "python").symlink_to("/usr/bin/env")
    (root / "tests").mkdir()
    (root / "logs").mkdir()
    (root / "logs" / "error.log").touch()
    (root / ".env").write_text("SECRET_KEY=canary-one\nexport DATABASE_URL=postgresql://u:canary-two@h/d\n")
    return root


def test_what_was_found_stands_in_the_targets_with_its_place(shop):
    assert init(shop).exit_code == 0
    text = (shop / "checklist.toml").read_text()
    targets = tomllib.loads(text)["targets"]
    assert targets["sqlite"] == "instance/site.db"
    assert targets["base_url"] == "https://shop.example.net"
    assert targets["python"] == ".venv/bin/python"
    assert targets["test_command"] == [".venv/bin/python", "-m", "pytest", "-q", "tests"]
    assert targets["restart_command"] == ["render", "restart", "shop", "--confirm"]
    assert targets["staging_restart_command"] == ["render", "restart", "shop-staging", "--confirm"]
    assert targets["log_files"] == ["logs/error.log"]
    names = ("render_service", "render_staging", "render_database", "git_remote", "git_branch")
    assert [targets[name] for name in names] == ["shop", "shop-staging", "shop-db", "origin", "live"]
    assert targets["database_url"] == "${env:DATABASE_URL}"
    for line in (
        'sqlite = "instance/site.db"  # from wsgi.py line 9: sqlite:///site.db',
        'base_url = "https://shop.example.net"  # from render.yaml line 8',
        'database_url = "${env:DATABASE_URL}"  # from .env line 2 (its value was not taken)',
    ):
        assert line in text.splitlines()
    assert '"${base_url}/up"' in text and "/healthz" not in text
    assert "git push origin live" in text and "skymodder" not in text.lower()
    assert "canary" not in text


def test_what_was_not_found_is_a_todo_and_its_check_would_answer_unknown(tmp_path):
    root = tmp_path / "empty"
    root.mkdir()
    ended = init(root)
    assert ended.exit_code == 0, ended.output
    text = (root / "checklist.toml").read_text()
    assert "# TODO sqlite: the database that is left (no SQLite file was found); write it here" in text
    loaded, _ = load(root / "checklist.toml")
    missing = resolve(loaded.checklist.targets, {}).missing
    assert {"sqlite", "base_url", "restart_command", "log_files", "database_url"} <= missing.keys()
    assert "sqlite: the database that is left" in ended.output


@pytest.mark.parametrize("make", [alembic_project, flask_project, plain_project])
def test_the_checklist_of_each_project_is_sound_and_says_what_is_open(make, tmp_path):
    root = make(tmp_path / "site")
    assert init(root).exit_code == 0
    found = CliRunner().invoke(validate, [str(root / "checklist.toml"), "--json"])
    assert found.exit_code == 0, found.output
    still_open = json.loads(found.output)["open"]
    assert any(one.startswith("role:") for one in still_open)
    if make is plain_project:
        assert any("no alembic.ini" in one for one in still_open)


def test_every_target_of_the_shipped_checklist_is_there_and_every_item(tmp_path):
    made = draft(shipped("checklist.toml"), survey(tmp_path))
    here, there = tomllib.loads(made.text), tomllib.loads(shipped("checklist.toml"))
    assert here["targets"].keys() == there["targets"].keys()
    assert [p["id"] for p in here["phase"]] == [p["id"] for p in there["phase"]]
    assert len(here["gate"]) == len(there["gate"]) and here["metrics"].keys() == there["metrics"].keys()


def test_a_route_of_a_blueprint_says_that_a_prefix_may_stand_before_it(tmp_path):
    (tmp_path / "site.py").write_text(
        '@pages.get("/healthz")\ndef health(): ...\napp.add_url_rule("/metrics", "m", f)\n'
    )
    found = survey(tmp_path)
    assert found.metrics_path is not None
    text = draft(shipped("checklist.toml"), found).text
    line = "# The health path below is /healthz, from site.py line 1 (of 'pages': is there a url_prefix before it?)"
    assert line in text.splitlines()
    assert "# TODO metrics" not in text and "# TODO health" not in text


def test_it_is_the_same_twice_and_a_dry_run_writes_nothing(shop):
    before = everything(shop)
    first, second = init(shop, "--dry-run"), init(shop, "--dry-run")
    assert first.exit_code == 0 and first.stdout == second.stdout
    assert everything(shop) == before
    init(shop)
    assert (shop / "checklist.toml").read_text() == first.stdout


def test_a_file_that_is_there_is_never_overwritten_and_by_force_kept_beside(shop):
    (shop / "checklist.toml").write_text("mine")
    (shop / "journeys.toml").write_text("my ways")
    (shop / "checklist.toml.bak").write_text("older")
    assert init(shop).exit_code == 1
    assert (shop / "checklist.toml").read_text() == "mine"
    assert init(shop, "--force").exit_code == 0
    assert (shop / "checklist.toml.bak").read_text() == "older"
    assert (shop / "checklist.toml.bak2").read_text() == "mine"
    assert (shop / "journeys.toml").read_text() == "my ways"


def test_several_that_fit_are_named_and_none_is_taken(shop):
    sql(shop / "instance" / "cache.db", "CREATE TABLE t (a)")
    (shop / "wsgi.py").write_text((shop / "wsgi.py").read_text().replace('"sqlite:///site.db"', '""'))
    (shop / "render.yaml").write_text(RENDER.replace("shop-staging", "shop-two"))
    made = draft(shipped("checklist.toml"), survey(shop))
    targets = tomllib.loads(made.text)["targets"]
    assert targets["sqlite"] == "${env:SQLITE}" and targets["restart_command"] == ["${env:RESTART_COMMAND}"]
    assert any("instance/cache.db" in one and "instance/site.db" in one for one in made.open)
    assert targets["render_service"] == "${env:RENDER_SERVICE}"
    assert any("several services: shop, shop-two" in one for one in made.open)


@pytest.mark.parametrize(
    "text", ["services: [", "- a\n- b", "services: {web: 1}", "\x00\x01", "services:\n - type: web\n   name: 3"]
)
def test_a_render_yaml_that_makes_no_sense_stops_nothing(text, tmp_path):
    (tmp_path / "render.yaml").write_text(text)
    assert init(tmp_path).exit_code == 0


def test_what_stands_in_the_project_cannot_break_out_of_its_comment(tmp_path):
    sql(tmp_path / "a\nevil = 1\n.db", "CREATE TABLE t (a)")
    (tmp_path / "render.yaml").write_text(
        'services:\n  - type: web\n    name: "a\\"\\n[targets]"\n    domains: [\'x"""\\evil\']\n    healthCheckPath: "/x\\"\\n"\n'
    )
    assert init(tmp_path).exit_code == 0
    loaded, _ = load(tmp_path / "checklist.toml")
    assert "evil" not in loaded.checklist.targets


def test_a_render_yaml_of_a_project_with_environments_is_read_like_any_other(tmp_path):
    (tmp_path / "render.yaml").write_text(
        "projects:\n  - name: shop\n    environments:\n      - name: live\n        services:\n"
        "          - type: web\n            runtime: static\n            name: pages\n"
        "          - type: web\n            name: shop\n            domains: [shop.example.net]\n"
    )
    assert init(tmp_path).exit_code == 0
    text = (tmp_path / "checklist.toml").read_text()
    assert 'base_url = "https://shop.example.net"  # from render.yaml line 11' in text
    assert tomllib.loads(text)["targets"]["restart_command"] == ["render", "restart", "shop", "--confirm"]

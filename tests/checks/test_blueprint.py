"""render.yaml: every rule with a file that breaks it, and a sound file that breaks none."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.code.blueprint import RULES, BlueprintError, findings_of, read_blueprint
from checks.code.blueprint_command import workers_of
from checks.code.blueprint_schema import SECTIONS
from checks.code.env_example import RULES as ENV_RULES
from state.verdicts import Verdict

SOUND = """\
services:
  - type: web
    name: shop
    runtime: python
    plan: starter
    region: frankfurt
    buildCommand: pip install -r requirements.txt
    preDeployCommand: alembic upgrade head
    startCommand: gunicorn -w 3 wsgi:app
    healthCheckPath: /healthz
    autoDeployTrigger: "off"
    envVars:
      - key: DATABASE_URL
        fromDatabase:
          name: shop-db
          property: connectionString
      - key: SECRET_KEY
        generateValue: true
databases:
  - name: shop-db
    plan: basic-1gb
    region: frankfurt
    postgresMajorVersion: "18"
    ipAllowList: []
"""


def rules(text: str, **others: object) -> set[str]:
    return {one.rule.removeprefix("blueprint/") for one in findings_of(text, "render.yaml", **others)}  # type: ignore[arg-type]


def changed(old: str, new: str) -> str:
    assert old in SOUND
    return SOUND.replace(old, new, 1)


def test_a_sound_blueprint_has_no_finding():
    assert findings_of(SOUND, "render.yaml", migrations=True) == ()


# What is changed in the sound file, and the one rule that must speak of it.
BROKEN = {
    "unknown-key": ("    healthCheckPath:", "    healthcheckPath: /x\n    healthCheckPath:"),
    "misplaced-key": ("    healthCheckPath:", "    schedule: '* * * * *'\n    healthCheckPath:"),
    "deprecated-key": ("    runtime: python", "    env: python"),
    "type": ('postgresMajorVersion: "18"', "postgresMajorVersion: 18"),
    "yaml-boolean": ('autoDeployTrigger: "off"', "autoDeployTrigger: off"),
    "number-form": ("        generateValue: true", "        value: 3.10"),
    "choice": ("property: connectionString", "property: conectionString"),
    "region": ("    region: frankfurt\n    buildCommand", "    region: frankfort\n    buildCommand"),
    "required-key": ("    healthCheckPath:", "    disk: {mountPath: /data}\n    healthCheckPath:"),
    "duplicate-key": ("    plan: starter", "    plan: starter\n    plan: pro"),
    "env-source": ("        generateValue: true", "        generateValue: true\n        sync: false"),
    "plan": ("plan: basic-1gb", "plan: basic-2gb"),
    "legacy-plan": ("plan: basic-1gb", "plan: standard"),
    "free-database": ("plan: basic-1gb", "plan: free"),
    "free-service": ("plan: starter", "plan: free"),
    "duplicate-name": ("databases:\n", "databases:\n  - {name: shop-db, region: frankfurt, ipAllowList: []}\n"),
    "database-version": ('    postgresMajorVersion: "18"\n', ""),
    "database-open": ("    ipAllowList: []\n", ""),
    "database-size": ("    ipAllowList: []", "    diskSizeGB: 12\n    ipAllowList: []"),
    "high-availability": ("    ipAllowList: []", "    highAvailability: {enabled: true}\n    ipAllowList: []"),
    "replicas": ("    ipAllowList: []", "    readReplicas: []\n    ipAllowList: []"),
    "needs": ("key: DATABASE_URL", "key: DB"),
    "no-such-database": ("name: shop-db\n          property", "name: shopdb\n          property"),
    "no-such-service": ("    envVars:", "    envVars:\n      - fromGroup: nowhere"),
    "property": ("property: connectionString", "property: host"),
    "pooled": ("property: connectionString", "property: connectionPoolString"),
    "region-apart": ("    region: frankfurt\n    postgres", "    region: oregon\n    postgres"),
    "secret": ("        generateValue: true", "        value: sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
    "health-check": ("    healthCheckPath: /healthz\n", ""),
    "auto-deploy": ('    autoDeployTrigger: "off"\n', ""),
    "pre-deploy": ("    preDeployCommand: alembic upgrade head\n", ""),
    "migration-at-start": ("startCommand: gunicorn", "startCommand: flask db upgrade && gunicorn"),
    "disk": ("    healthCheckPath:", "    disk: {name: d, mountPath: /data}\n    healthCheckPath:"),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_each_rule_speaks_when_it_is_broken(rule):
    text = changed(*BROKEN[rule])
    found = [one for one in findings_of(text, "render.yaml", migrations=True) if one.rule == f"blueprint/{rule}"]
    assert found, rules(text, migrations=True)
    lines = text.splitlines()
    assert all(1 <= one.line <= len(lines) and one.message and one.mend for one in found)
    assert "4eC39HqLyjWDarjtT1zdp7dc" not in repr(found)


def test_a_finding_names_the_line_and_what_was_meant():
    text = changed(*BROKEN["unknown-key"])
    (one,) = findings_of(text, "render.yaml")
    assert (text.splitlines()[one.line - 1].strip(), one.mend) == (
        "healthcheckPath: /x",
        "did you mean 'healthCheckPath'?",
    )


@pytest.mark.parametrize(
    ("form", "rule"),
    [
        ("value: sqlite:///instance/app.db", "sqlite"),
        ("sync: false", "by-hand"),
        ("value: postgresql://db/app", "by-hand"),
        ("generateValue: true", "property"),
        ('value: ""', "needs"),
        ("value: postgresql://app:hunter2222@db/app", "secret"),
    ],
)
def test_a_database_url_from_elsewhere_is_told(form, rule):
    whole = "fromDatabase:\n          name: shop-db\n          property: connectionString"
    text = changed(whole, form)
    assert rule in rules(text)
    assert all("hunter2222" not in repr(one) for one in findings_of(text, "render.yaml"))


def test_a_secret_in_a_group_is_found_also_when_no_service_takes_the_group():
    text = SOUND + "envVarGroups:\n  - name: mail\n    envVars:\n      - {key: MAIL_PASSWORD, value: canary-in-may}\n"
    (one,) = findings_of(text, "render.yaml")
    assert (one.rule, one.line) == ("blueprint/secret", text.splitlines().index("    envVars:", 20) + 2)
    assert "canary" not in repr(one)


def test_a_pool_that_is_there_is_fine_but_not_for_migrations():
    text = changed("property: connectionString", "property: connectionPoolString")
    text = text.replace("    ipAllowList: []", "    connectionPool: pgbouncer\n    ipAllowList: []")
    assert rules(text) == {"pooled-migration"}
    assert rules(text.replace("    preDeployCommand: alembic upgrade head\n", "")) == set()


def test_a_disk_and_several_instances_do_not_go_together():
    text = changed(
        "    healthCheckPath:", "    numInstances: 2\n    disk: {name: d, mountPath: /d}\n    healthCheckPath:"
    )
    assert rules(text) == {"disk", "disk-scaled"}


@pytest.mark.parametrize(
    ("block", "rule"),
    [
        ("- {type: worker, name: w, runtime: image, image: {url: a}, plan: free}", "plan"),
        ("- {type: cron, name: c, runtime: image, image: {url: a}}", "required-key"),
        ("- {type: redis, name: r, ipAllowList: []}", "deprecated-key"),
        ("- {type: keyvalue, name: r}", "required-key"),
        ("- {type: static, name: s, runtime: static, buildCommand: x, staticPublishPath: .}", "choice"),
        ("- {type: web, name: s, runtime: static, staticPublishPath: ., startCommand: x}", "misplaced-key"),
        ("- just text", "type"),
        (
            "- {type: pserv, name: p, runtime: image, image: {url: a}, envVars: [{key: A, fromService: {name: shop,"
            " type: web, property: connectionString}}]}",
            "choice",
        ),
        (
            "- {type: pserv, name: p, runtime: image, image: {url: a}, envVars: [{key: A, fromService: {name: shop,"
            " type: web}}]}",
            "required-key",
        ),
        (
            "- {type: pserv, name: p, runtime: go, buildCommand: a, startCommand: b, maxShutdownDelaySeconds: 900}",
            "choice",
        ),
    ],
)
def test_the_other_types_have_rules_of_their_own(block, rule):
    assert rule in rules(SOUND.replace("services:\n", f"services:\n  {block}\n"))


def test_a_static_site_a_cache_a_group_and_a_project_are_fine():
    text = dedent("""\
        previews: {generation: "off"}
        envVarGroups:
          - name: shared
            envVars: [{key: LOG_LEVEL, value: info}, {key: WEB_CONCURRENCY, value: 4}]
        projects:
          - name: shop
            environments:
              - name: production
                networking: {isolation: enabled}
                services:
                  - {type: keyvalue, name: cache, plan: starter, ipAllowList: [], maxmemoryPolicy: noeviction}
                  - type: web
                    name: site
                    runtime: static
                    buildCommand: make
                    staticPublishPath: ./dist
                    routes: [{type: rewrite, source: /*, destination: /index.html}]
                  - type: worker
                    name: jobs
                    runtime: docker
                    dockerCommand: gunicorn jobs:app
                    autoDeployTrigger: commit
                    envVars: [{fromGroup: shared}, {key: REDIS_URL, fromService: {type: keyvalue, name: cache,
                      property: connectionString}}]
        """)
    assert rules(text) == set()


def test_what_a_service_is_can_be_asked_for(tmp_path):
    text = SOUND.replace("    envVars:\n", "    numInstances: 2\n    envVars:\n      - fromGroup: shared\n")
    text += "envVarGroups:\n  - name: shared\n    envVars:\n      - {key: POOL, value: 5}\n      - {key: SECRET_KEY, value: x}\n"
    (tmp_path / "render.yaml").write_text(text)
    declared = read_blueprint(tmp_path / "render.yaml")
    (shop,) = declared.services
    assert (shop.name, shop.kind, shop.plan, shop.region) == ("shop", "web", "starter", "frankfurt")
    assert (shop.workers, shop.instances, shop.preload, shop.line) == (3, 2, True, 2)
    assert shop.health_check_path == "/healthz"
    assert shop.environment == {"POOL": "5", "DATABASE_URL": "postgresql://user@host/database"}
    assert [one.name for one in declared.databases] == ["shop-db"]


@pytest.mark.parametrize(
    ("command", "environment", "workers"),
    [
        ("gunicorn -w 4 app:app", {}, 4),
        ("gunicorn app:app --workers=4 -w 2", {}, 2),
        ("gunicorn -w4 app:app", {"WEB_CONCURRENCY": "9"}, 4),
        ("alembic upgrade head && .venv/bin/gunicorn app:app --workers 3; echo -w 7", {}, 3),
        ("gunicorn --workers ${WORKERS:-2} app:app", {}, 2),
        ("gunicorn --workers $WORKERS app:app", {"WORKERS": "6"}, 6),
        ("gunicorn app:app", {"WEB_CONCURRENCY": "3"}, 3),
        ("gunicorn app:app", {"GUNICORN_CMD_ARGS": "--workers=5", "WEB_CONCURRENCY": "3"}, 5),
        ("gunicorn -c gunicorn.conf.py app:app", {"WEB_CONCURRENCY": "3"}, None),
        ("gunicorn -c gunicorn.conf.py -w 2 app:app", {}, 2),
        ("uvicorn app:app --workers 2", {}, 2),
        ("gunicorn app:app", {}, None),
        ("gunicorn -w lots app:app", {}, None),
        ("python -m worker -w 4", {}, None),
        ("gunicorn 'unclosed -w 2", {}, 2),
        ("", {}, None),
    ],
)
def test_workers_are_read_as_the_server_reads_them(command, environment, workers):
    assert workers_of(command, environment) == workers


def test_preload_is_what_render_asks_for_unless_the_blueprint_says_otherwise(tmp_path):
    def preload(text: str) -> bool:
        (tmp_path / "render.yaml").write_text(text)
        return read_blueprint(tmp_path / "render.yaml").services[0].preload

    assert preload(SOUND)
    own = "    envVars:\n      - {key: GUNICORN_CMD_ARGS, value: '--bind=0.0.0.0:10000'}\n"
    assert not preload(changed("    envVars:\n", own))
    assert not preload(changed("runtime: python", "runtime: docker"))
    assert preload(changed("gunicorn -w 3", "gunicorn --preload -w 3").replace("runtime: python", "runtime: docker"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("services:\n  - name: a\n   type: b\n", 3),
        ("a: &a [*a]", 1),
        ("- a\n- b\n", 1),
        ("a: \x07", 1),
        ("[" * 2000, 0),
        ("? [a, b]\n: c\n", 1),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{c}: &{c} [{','.join([f'*{b}'] * 9)}]\n" for b, c in zip("abcdefg", "bcdefgh", strict=True)),
            None,
        ),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text, line):
    with pytest.raises(BlueprintError) as refused:
        findings_of(text, "render.yaml")
    assert line is None or refused.value.line == line


def test_merge_keys_and_aliases_are_read_as_render_reads_them():
    text = SOUND.replace("  - type: web\n", "  - &web\n    type: web\n")
    text = text.replace("databases:\n", "  - <<: *web\n    name: second\ndatabases:\n")
    assert rules(text) == set()


word = st.sampled_from(["services", "databases", "name", "type", "web", "envVars", "plan", "disk", "previews", "key"])
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | word | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(word, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(SECTIONS["blueprint"])), trees, max_size=4))
def test_whatever_is_written_there_is_judged_and_never_a_crash(tree):
    import yaml

    for one in findings_of(yaml.safe_dump(tree), "render.yaml", migrations=True):
        assert one.rule in {rule.id for rule in RULES}


async def test_the_check_judges_the_file_and_shows_what_it_declares(look):
    (look.project / "render.yaml").write_text(SOUND)
    (look.project / "app.py").write_text("import os\nURL = os.environ['DATABASE_URL']\n")
    good = await look("code.blueprint")
    assert good.verdict is Verdict.PASS
    assert good.evidence["services"] == "shop (web)"
    assert good.evidence["needed_by"] == "shop"
    (look.project / "render.yaml").write_text(changed(*BROKEN["disk"]))
    assert (await look("code.blueprint")).verdict is Verdict.WARN
    assert (await look("code.blueprint", {"off": ["blueprint/disk"]})).verdict is Verdict.PASS
    (look.project / "render.yaml").write_text(changed(*BROKEN["needs"]))
    bad = await look("code.blueprint")
    assert bad.verdict is Verdict.FAIL
    assert bad.actual.startswith("render.yaml:2: service shop has no DATABASE_URL")


async def test_only_the_services_whose_code_reads_it_need_it(look):
    cron = "  - {type: cron, name: report, runtime: python, rootDir: report, buildCommand: a, startCommand: b,\n"
    cron += "     schedule: '0 * * * *', autoDeployTrigger: commit}\n"
    (look.project / "render.yaml").write_text(SOUND.replace("databases:\n", cron + "databases:\n"))
    (look.project / "report").mkdir()
    (look.project / "report" / "main.py").write_text("import os\nURL = os.getenv('MAIL_URL')\n")
    assert (await look("code.blueprint")).verdict is Verdict.PASS
    named = await look("code.blueprint", {"services": ["report"]})
    assert named.verdict is Verdict.FAIL
    (look.project / "report" / "main.py").write_text("import os\nURL = os.getenv('DATABASE_URL')\n")
    assert (await look("code.blueprint")).verdict is Verdict.FAIL
    assert (await look("code.blueprint", {"services": ["nobody"]})).verdict is Verdict.ERROR


async def test_migrations_in_the_project_want_somebody_who_runs_them(look):
    (look.project / "render.yaml").write_text(changed(*BROKEN["pre-deploy"]))
    assert (await look("code.blueprint")).verdict is Verdict.PASS
    (look.project / "alembic.ini").write_text("[alembic]\n")
    outcome = await look("code.blueprint")
    assert outcome.verdict is Verdict.WARN
    assert "preDeployCommand" in outcome.actual


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (None, Verdict.UNKNOWN),
        ("", Verdict.UNKNOWN),
        ("envVarGroups: []\n", Verdict.UNKNOWN),
        ("services: []\n", Verdict.UNKNOWN),
        ("services: [\n", Verdict.FAIL),
        (b"\xff\xfe\x00", Verdict.FAIL),
    ],
)
async def test_a_file_without_anything_in_it_is_not_green(look, text, verdict):
    if text is not None:
        (look.project / "render.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    outcome = await look("code.blueprint")
    assert outcome.verdict is verdict
    assert outcome.hint


def test_every_rule_is_on_its_page_and_no_other():
    page = (Path(__file__).parents[2] / "docs" / "deploy-files.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(("| `blueprint/", "| `env/"))]
    assert rows == [f"| `{one.id}` | {one.level} | {one.title} | {one.why} |" for one in (*RULES, *ENV_RULES)]


def test_the_blueprint_of_the_sample_application_is_sound_but_for_its_disk():
    file = Path(__file__).parents[2] / "rehearsal" / "app" / "render.yaml"
    assert rules(file.read_text(), migrations=True) == {"disk"}

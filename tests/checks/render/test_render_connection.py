"""DATABASE_URL beside what the API tells of the database, and the driver that its scheme needs."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import pytest

from checks.render.connection import address_of
from state.verdicts import Verdict
from tests.checks.render_shapes import DATABASE, PASSWORD, Answer, connections


@pytest.fixture
def asked(given):
    return given | {"render_database": "app-db", "database_url": "${db}", "timezone": "Etc/UTC", "tls": "ignore"}


def keyed(secret, database):
    return {
        "targets": secret["targets"] | {"db": "${env:DB}"},
        "environ": secret["environ"] | {"DB": database},
    }


async def test_the_same_address_with_another_password_or_spelling_is_the_same(look, render, asked, secret, database):
    parts = urlsplit(database)
    render.connections = connections(parts.hostname, f":{parts.port}", parts.path[1:])
    outcome = await look("postgres.connect", asked, **keyed(secret, database))
    assert outcome.verdict in (Verdict.PASS, Verdict.WARN), outcome  # a warning of the server's time zone
    assert outcome.evidence["render"] == f"internal address of app-db ({DATABASE})"
    assert PASSWORD not in repr(outcome)


@pytest.mark.parametrize(("host", "name"), [(None, "other"), ("elsewhere.example", None)])
async def test_another_host_or_database_fails_and_tells_no_password(
    look, render, asked, secret, database, host, name
):
    parts = urlsplit(database)
    render.connections = connections(host or parts.hostname, f":{parts.port}", name or parts.path[1:])
    outcome = await look("postgres.connect", asked, **keyed(secret, database))
    assert outcome.verdict is Verdict.FAIL, outcome
    assert f"{host or parts.hostname}:{parts.port}/{name or parts.path[1:]}" in outcome.actual
    assert PASSWORD not in repr(outcome)
    assert (parts.password or "no password") not in repr(outcome)


async def test_without_a_key_or_an_answer_nothing_is_proven(look, render, asked, secret, waited):
    where = {"database_url": "postgresql://app:pw@127.0.0.1:1/app"}
    outcome = await look("postgres.connect", asked | where | {"token": ""}, **secret)
    assert outcome.verdict is Verdict.UNKNOWN
    path = f"GET /postgres/{DATABASE}/connection-info"
    broken = {"internalConnectionString": f"mysql://a:{PASSWORD}@h/d", "externalConnectionString": PASSWORD}
    for answer in (Answer(broken), Answer({}), Answer({"message": "no"}, 403)):
        render.first[path] = [answer]
        outcome = await look("postgres.connect", asked | where, **secret)
        assert outcome.verdict is Verdict.ERROR, outcome
        assert PASSWORD not in repr(outcome)


def test_the_internal_address_has_no_port_and_the_scheme_does_not_matter():
    same = [
        "postgres://u:p@dpg-1-a/app",
        "postgresql://x:y@DPG-1-a:5432/app",
        "postgresql+psycopg2://u@dpg-1-a/app?sslmode=require",
    ]
    assert len({address_of(url) for url in same}) == 1
    assert address_of(same[0]) != address_of("postgresql://u:p@dpg-1-a:6432/app")


async def test_the_driver_is_asked_of_the_applications_own_interpreter(look, database):
    with_ = {"database_url": database, "python": sys.executable, "timezone": "Etc/UTC", "tls": "ignore"}
    outcome = await look("postgres.connect", with_ | {"scheme": "postgresql+psycopg2"})
    assert outcome.verdict in (Verdict.PASS, Verdict.WARN), outcome
    assert outcome.evidence["driver"].startswith("psycopg2 2."), outcome
    other = {"database_url": database.replace("postgresql", "postgresql+pg8000", 1)}
    outcome = await look("postgres.connect", with_ | other)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "pg8000" in outcome.actual
    outcome = await look("postgres.connect", with_ | {"python": "no-such-python"})
    assert outcome.verdict is Verdict.ERROR

"""A run as an engine would tell it: the stock migration, a quarter of an hour before T0."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from state.events import utc_text
from tminus.client.messages import (
    Attempt,
    BlockerView,
    GateView,
    ItemFace,
    ItemView,
    MetricView,
    PhaseFace,
    PhaseTimes,
    RoleView,
    RunInfo,
    Said,
    StandingView,
    StepFace,
    View,
)
from tminus.client.people import Presence

NOW = datetime(2026, 11, 22, 20, 45, 0, tzinfo=UTC)
T0 = NOW + timedelta(minutes=15)
ME = "anna"


def before(seconds: float, now: datetime = NOW) -> str:
    """The moment SECONDS before NOW, as the engine writes it."""
    return utc_text(now - timedelta(seconds=seconds))


def face(name: str, text: str, **more: Any) -> ItemFace:
    return ItemFace(id=name, text=text, **more)


PHASES = (
    PhaseFace(
        id="pre", title="Pre-Deployment", mode="do-confirm", branch="main", at="T-2d", offset=-172800.0,
        steps=(
            StepFace("Infrastructure", (
                face("create-db", "Create the PostgreSQL database on Render", check="render.database", effect="read", marks="both"),
                face("plan", "Choose the database plan"),
            )),
            StepFace("Backup strategy", (
                face("backup-sqlite", "Export SQLite database", check="sqlite.backup", effect="read", marks="check"),
                face("store-backup", "Store backups in a secure location", marks="human"),
            )),
        ),
    ),
    PhaseFace(
        id="final", title="Final Pre-Checks", mode="do-confirm", branch="main", at="T-30m", offset=-1800.0,
        steps=(
            StepFace("Final Pre-Checks", (
                face("low-traffic", "Confirm low-traffic period", how="Look at the analytics of the last four weeks.",
                     check="http.traffic", effect="read", marks="both", expect=60.0, role="driver",
                     looks=("base_url = https://skymodderai.com", "window = 15m")),
                face("rollback-plan", "Have the rollback plan ready", marks="human", critical=True, expect=120.0),
                face("backup-final", "Create the final backup", how="The app is read-only from here on.",
                     check="sqlite.backup", effect="change", marks="both", critical=True, expect=60.0),
                face("row-counts", "Row counts of the backup equal the live database", check="sqlite.counts",
                     effect="read", marks="both", pair=True, critical=True, expect=90.0),
                face("notify", "Notify the team", marks="human", ask="link to the announcement"),
                face("disk", "Free disk space on the database host", check="host.disk", effect="read", marks="check"),
                face("staging", "Staging runs this very commit", check="git.same", effect="read", marks="both"),
                face("locust", "Load test with Locust", check="load.locust", effect="read", marks="both", expect=300.0),
                face("oauth", "Test OAuth login", marks="human"),
            )),
        ),
    ),
    PhaseFace(
        id="deploy", title="Deploy to Render", mode="read-do", branch="main", at="T-0", offset=0.0,
        steps=(
            StepFace("Deploy", (
                face("push", "Push the release: users see PostgreSQL from here on", check="render.deploy",
                     effect="change", marks="both", pair=True, critical=True, point_of_no_return=True, expect=480.0),
                face("migrate", "Run Alembic migrations", check="alembic.upgrade", effect="change", marks="check", expect=120.0),
            )),
        ),
    ),
    PhaseFace(
        id="verify", title="Verify Deployment", mode="read-do", branch="main", at="T+30m", offset=1800.0,
        steps=(
            StepFace("Health", (
                face("healthz", "Health check passes", check="http.ok", effect="read", marks="check", expect=10.0),
                face("logs", "Application logs show no errors", check="render.logs", effect="read", marks="both"),
                face("pool", "Connection pool metrics are normal", check="pool.usage", effect="read", marks="both"),
            )),
            StepFace("Functional testing", tuple(
                face(f"func-{n}", text) for n, text in enumerate(
                    ("Register new user account", "Login with new account", "Create community post", "Reply to post",
                     "Vote on post", "Save mod list", "Logout and login again", "Test password reset flow"))
            )),
        ),
    ),
    PhaseFace(
        id="rollback", title="Rollback", mode="read-do", branch="rollback",
        steps=(StepFace("Rollback", (face("revert", "Revert to the SQLite release", check="render.rollback",
                                          effect="change", marks="both", critical=True),)),),
    ),
)  # fmt: skip

DONE = {"settled": True, "verdict": "pass"}


def items(now: datetime = NOW) -> dict[str, ItemView]:
    """Every state that an item can be in, once at least."""
    anna, bo = Said("anna", before(700, now)), Said("bo", before(640, now))
    seen = before(12, now)
    told = [
        ItemView(id="create-db", **DONE, mark="confirmed", said=(anna,), observed_at=before(86000, now), evidence_digest="d1"),
        ItemView(id="plan", settled=True, mark="n/a", reason="the plan was chosen last week", said=(anna,)),
        ItemView(id="backup-sqlite", **DONE, observed_at=before(86400, now), attempts=1, seconds=2.4),
        ItemView(id="store-backup", settled=True, mark="confirmed", said=(anna, bo)),
        ItemView(id="low-traffic", verdict="pass", expected="under 20 requests a minute", observed_at=seen,
                 actual="11 requests a minute",
                 evidence={"requests": 1482, "window": "15m", "quiet": True, "url": "https://skymodderai.com/metrics"},
                 evidence_digest="abc123", attempts=1, seconds=0.8, why_open="not confirmed yet"),
        ItemView(id="rollback-plan", why_open="not confirmed yet", evidence_digest="r1"),
        ItemView(id="backup-final", why_open="not checked yet"),
        ItemView(id="row-counts", verdict="fail", expected="41,023 rows in users, 120,044 in sessions",
                 actual="41,021 rows in users, 120,044 in sessions", observed_at=before(75, now), attempts=2, seconds=3.2,
                 evidence={"users.live": 41023, "users.backup": 41021, "sessions.live": 120044, "sessions.backup": 120044},
                 tries=(Attempt(before(400, now), "error", "database is locked", 5.0),
                        Attempt(before(75, now), "fail", "41,021 rows in users, 120,044 in sessions", 3.2)),
                 evidence_digest="f00d", hint="two users registered after the backup: make the app read-only, back up again",
                 why_open="fail: 41,021 rows in users"),
        ItemView(id="notify", why_open="not confirmed yet"),
        ItemView(id="disk", verdict="error", actual="ssh: connect to host db-1 port 22: Connection timed out",
                 observed_at=before(31, now), attempts=1, seconds=10.0, why_open="error: could not look"),
        ItemView(id="staging", verdict="stale", expected="3f2a9c1", actual="3f2a9c1", observed_at=before(4000, now),
                 attempts=1, why_open="stale: run it again", evidence_digest="e5"),
        ItemView(id="locust", status="running", started_at=before(72, now), attempts=1, why_open="running"),
        ItemView(id="oauth", settled=True, mark="waived", said=(anna,), reason="OAuth is not configured in production"),
        ItemView(id="push", blocked="waits for the phase Final Pre-Checks", why_open="not checked yet"),
        ItemView(id="migrate", verdict="unknown", status="interrupted", why_open="interrupted: run it again"),
        ItemView(id="healthz", verdict="unknown", actual="no answer yet", observed_at=before(20, now), why_open="unknown"),
        ItemView(id="logs", verdict="warn", expected="no errors in 15m", actual="2 warnings: slow query",
                 observed_at=before(9, now), evidence_digest="w1", why_open="warn: 2 warnings"),
        ItemView(id="pool", settled=True, mark="skipped", reason="measured by the gate instead", said=(anna,)),
    ]  # fmt: skip
    known = {item.id: item for item in told}
    for phase in PHASES:
        for one in phase.items:
            known.setdefault(one.id, ItemView(id=one.id, why_open="not confirmed yet"))
    return known


def metrics(now: datetime = NOW) -> dict[str, MetricView]:
    seen = before(1, now)
    told = [
        MetricView(metric="pool.app", label="Pool usage, app", value=12.0, text="12/20", source="app /metrics",
                   observed_at=seen, samples=120, threshold=16.0, scale_max=20.0, status="ok"),
        MetricView(metric="pool.server", label="Connections, server", value=31.0, text="31/97", source="pg_stat_activity",
                   observed_at=seen, samples=120, threshold=78.0, scale_max=97.0, status="ok"),
        MetricView(metric="http.p50", label="Response p50", unit="ms", value=84.0, source="probe", observed_at=seen,
                   samples=1482, threshold=500.0, scale_max=800.0, status="ok"),
        MetricView(metric="http.p95", label="Response p95", unit="ms", value=430.0, source="probe", observed_at=seen,
                   samples=1482, threshold=500.0, scale_max=800.0, status="warn"),
        MetricView(metric="http.p99", label="Response p99", unit="ms", value=None, source="probe", observed_at=seen,
                   samples=60, threshold=500.0, scale_max=800.0, status="unknown", error="n too small: 60 of 100"),
        MetricView(metric="http.error_rate", label="Error rate", unit="%", value=12.4, source="probe", observed_at=seen,
                   samples=1482, threshold=10.0, scale_max=20.0, status="bad"),
        MetricView(metric="db.size", label="Database size", unit="MiB", value=412.0, source="pg_database_size",
                   observed_at=before(41, now), samples=12, status="ok"),
    ]  # fmt: skip
    return {metric.metric: metric for metric in told}


def series() -> dict[str, tuple[float | None, ...]]:
    def wave(low: float, high: float, period: float) -> tuple[float | None, ...]:
        return tuple(low + (high - low) * (0.5 + 0.5 * math.sin(n / period)) for n in range(120))

    return {
        "pool.app": wave(4, 13, 9.0),
        "pool.server": wave(22, 33, 14.0),
        "http.p50": wave(60, 110, 5.0),
        "http.p95": tuple(None if 88 < n < 94 else v for n, v in enumerate(wave(180, 560, 11.0))),
        "http.error_rate": (*(0.2,) * 96, *(float(n) / 2 for n in range(24))),
        "db.size": (*(400.0,) * 60, *(412.0,) * 60),
    }


GATES = {
    gate.id: gate
    for gate in (
        GateView(id="error-rate", text=">10% error rate for >15 minutes", then="rollback", armed=True, state="breaching",
                 why="err 12.4% > 10%  breaching 09:15 of 15:00  37/37 samples  1,482 requests", progress=0.617, metric="http.error_rate"),
        GateView(id="db-down", text="Database connection failures", then="rollback", armed=True, state="clear",
                 why="0 failures in 5m  300/300 samples"),
        GateView(id="p95", text="p95 over 500 ms for 5 minutes", then="hold", armed=True, state="unknown",
                 why="no data for 00:41", flapping=True),
        GateView(id="auth", text="Session failures affecting users", then="rollback"),
    )
}  # fmt: skip

STANDING = StandingView(
    go="NO-GO",
    phase="final",
    blockers=(
        BlockerView("gate", "error-rate", "pending: err 12.4% > 10%"),
        BlockerView("item", "low-traffic", "not confirmed yet"),
        BlockerView("item", "rollback-plan", "not confirmed yet"),
        BlockerView("item", "backup-final", "not checked yet"),
        BlockerView("item", "row-counts", "fail: 41,021 rows in users"),
        BlockerView("item", "disk", "error: could not look"),
    ),
)

ROLES = (
    RoleView(id="driver", title="Driver", name="Anna", contact="+49 30 1234"),
    RoleView(title="Database owner", name="Bo", contact="bo@example.com"),
    RoleView(title="Support lead"),
)


def view(now: datetime = NOW, **changes: Any) -> View:
    """The story at NOW, with CHANGES to its sections."""
    from tminus.client.messages import ProgressView

    sections: dict[str, Any] = {
        "run": RunInfo(
            id="2026-11-22-postgresql-migration", title="PostgreSQL migration",
            t0=utc_text(now + timedelta(minutes=15)), started=before(7200, now), driver=ME, driver_uid=os.getuid(),
            people=(Presence(name="anna", uid=os.getuid(), kind="cockpit"), Presence(name="bo", uid=1002, kind="cockpit")),
        ),
        "roles": ROLES,
        "phases": PHASES,
        "items": items(now),
        "gates": dict(GATES),
        "metrics": metrics(now),
        "series": series(),
        "gone": ("pre",),
        "times": {
            "pre": PhaseTimes(began=before(7000, now), passed=before(1000, now)),
            "final": PhaseTimes(began=before(860, now)),
        },
        "standing": STANDING,
        "progress": {"locust": ProgressView(done=41000, total=82000, unit="requests", what="ramping up")},
        "output": {"locust": tuple(f"[{n:03}] 200 GET /community/{n} {20 + n % 7} ms" for n in range(60))},
    }  # fmt: skip
    return View(**{**sections, **changes})

"""Whether the database on Render is there as it should be, and can be brought back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from checks.code.blueprint import BlueprintError, read_blueprint
from checks.contract import Context, Seconds, check
from checks.render.client import NotConfigured, RenderError
from checks.render.plans import slug
from checks.render.reach import find_database, find_service, reach, render_errors
from checks.render.shapes import Database, Export, Recovery
from metrics.sources.render import API
from state.durations import format_duration
from state.verdicts import Outcome

_SOON = {"creating", "updating_instance", "config_restart", "recovery_in_progress", "maintenance_in_progress"}
_DOWN = {"unavailable", "suspended", "recovery_failed"}
_YOUNG = timedelta(hours=1)  # between the creation of a database and the first moment to go back to


@check("render.database", timeout="60s", fresh_for="1h")
@render_errors
def database(
    ctx: Context,
    *,
    database: str | None = None,
    token: str | None = None,
    region: str | None = None,
    version: str | None = None,
    plan: str | None = None,
    service: str | None = None,
    render_yaml: Path | None = None,
    api_url: str = API,
) -> Outcome:
    """DATABASE (id or name) is there and available, in REGION (or that of SERVICE), of VERSION, neither suspended
    nor expiring, and of a name that RENDER_YAML knows.

    TOKEN is a Render API key.
    """
    with reach(ctx, token, api_url) as api:
        found = find_database(api, database)
        if service is not None:
            home = find_service(api, service).service_details.region
            region = region or home or None
    evidence = _evidence(found)
    expected = "available" + "".join(
        f", {name}" for name in (region, version and f"PostgreSQL {version}", plan) if name
    )
    wrong, doubts = judged(found, region=region, version=version, plan=plan)
    if render_yaml is not None:
        names = _named_in(render_yaml)
        evidence["render.yaml"] = ", ".join(names) or "no database"
        if found.name not in names:
            wrong.append(f"{render_yaml.name} has no database {found.name!r}, but {', '.join(names) or 'none'}")
    actual = f"{found.name} ({found.id}): {found.status}, {found.plan}, {found.region}, PostgreSQL {found.version}"
    if wrong:
        hint = (
            "region, version and name cannot be changed afterwards: make another database, or correct the checklist"
        )
        return Outcome.failed(f"{actual}; {'; '.join(wrong)}", expected=expected, evidence=evidence, hint=hint)
    if doubts:
        hint = "decide whether that may stay"
        return Outcome.warned(f"{actual}; {'; '.join(doubts)}", expected=expected, evidence=evidence, hint=hint)
    if found.status != "available":
        hint = "see the database in the dashboard"
        return Outcome.unknown(f"{actual}: a status that is not known here", evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def judged(
    found: Database, *, region: str | None = None, version: str | None = None, plan: str | None = None
) -> tuple[list[str], list[str]]:
    """(what is wrong, what a person should weigh) with a database. Pure."""
    wrong, doubts = [], []
    if found.status in _DOWN:
        wrong.append(f"it is {found.status}")
    elif found.status in _SOON:
        wrong.append(f"it is not available yet ({found.status})")
    elif found.status == "maintenance_scheduled":
        doubts.append("maintenance is scheduled: see when")
    if found.suspended != "not_suspended":
        wrong.append(f"it is {found.suspended}")
    if found.expires_at is not None:
        wrong.append(f"it expires on {found.expires_at:%Y-%m-%d}")
    if found.role != "primary":
        wrong.append(f"it is a {found.role}, not the primary")
    for name, seen, wanted in (("region", found.region, region), ("version", found.version, version)):
        if wanted and seen != wanted:
            wrong.append(f"{name} {seen}, not {wanted}")
    if plan and slug(found.plan) != slug(plan):
        wrong.append(f"plan {found.plan}, not {plan}")
    return wrong, doubts


def _evidence(found: Database) -> dict[str, object]:
    networks = found.ip_allow_list
    return {
        "id": found.id,
        "name": found.name,
        "status": found.status,
        "plan": found.plan,
        "region": found.region,
        "version": found.version,
        "suspended": found.suspended,
        "created": found.created_at.isoformat(),
        "expiresAt": found.expires_at.isoformat() if found.expires_at else "never",
        "open_to_all": any(network.cidr_block == "0.0.0.0/0" for network in networks or ()),
    }


def _named_in(path: Path) -> list[str]:
    """The names of the databases in a render.yaml. Raises RenderError."""
    if not path.is_file():
        raise RenderError(f"no file {path.name}", 'name the Blueprint: render_yaml = "render.yaml"')
    try:
        return [one.name for one in read_blueprint(path).databases]
    except (BlueprintError, OSError) as error:
        raise RenderError(f"{path.name} cannot be read: {error}", "see the item of render.yaml") from None


@check("render.backups", timeout="60s", fresh_for="1h")
@render_errors
def backups(
    ctx: Context,
    *,
    database: str | None = None,
    token: str | None = None,
    window: Seconds | None = None,
    contains: Seconds | None = None,
    export_within: Seconds | None = None,
    api_url: str = API,
) -> Outcome:
    """DATABASE can be brought back to any moment of a WINDOW ("3d"), which CONTAINS the moment so long ago ("1d").

    Or, where EXPORT_WITHIN is given, there is an export that is not older. A database that is younger than its window
    is a warning.
    """
    with reach(ctx, token, api_url) as api:
        found = find_database(api, database)
        recovery = api.get(f"/postgres/{found.id}/recovery", Recovery)
        exports = api.get(f"/postgres/{found.id}/export", list[Export]) if export_within is not None else []
    if window is None and contains is None and export_within is None:
        raise NotConfigured(
            "nothing is wanted of the backups", 'give window = "3d", contains = "1d" or export_within'
        )
    now = datetime.now(UTC)
    ready = max((one.created_at for one in exports if one.url), default=None)
    evidence: dict[str, object] = {
        "database": f"{found.name} ({found.id})",
        "recovery": recovery.recovery_status,
        "startsAt": recovery.starts_at.isoformat() if recovery.starts_at else "none",
    }
    if export_within is not None:
        evidence["export"] = ready.isoformat() if ready else "none that is ready"
    parts = [f"a window of {format_duration(window)}"] if window is not None else []
    parts += [f"{format_duration(contains)} ago in it"] if contains is not None else []
    expected = ", ".join(parts) or "recovery"
    expected += f", or an export within {format_duration(export_within)}" if export_within is not None else ""
    if (
        export_within is not None
        and ready is not None
        and timedelta(0) <= now - ready <= timedelta(seconds=export_within)
    ):
        actual = f"an export of {ready:%Y-%m-%d %H:%M} UTC; recovery {recovery.recovery_status}"
        return Outcome.passed(actual, expected=expected, evidence=evidence)
    if recovery.recovery_status != "AVAILABLE":
        hint = "a new database needs a first backup; the free plan has none. An export can be made in the dashboard"
        what = f"recovery is {recovery.recovery_status}"
        return Outcome.failed(what, expected=expected, evidence=evidence, hint=hint)
    if recovery.starts_at is None or recovery.starts_at > now:
        hint = "see the database in the dashboard, Recovery"
        return Outcome.unknown("recovery is available, and not since when", evidence=evidence, hint=hint)
    reaches = (now - recovery.starts_at).total_seconds()
    evidence["window_days"] = round(reaches / 86400, 2)
    actual = f"any moment since {recovery.starts_at:%Y-%m-%d %H:%M} UTC ({format_duration(reaches)})"
    if contains is not None and reaches < contains:
        hint = "what was there before can only come from a backup of your own"
        what = f"{actual}: {format_duration(contains)} ago is not in it"
        return Outcome.failed(what, expected=expected, evidence=evidence, hint=hint)
    if window is not None and reaches < window:
        if recovery.starts_at - found.created_at <= _YOUNG:
            hint = "it grows with the database's age; look again when it should be there"
            what = f"{actual}: the database is younger than {format_duration(window)}"
            return Outcome.warned(what, expected=expected, evidence=evidence, hint=hint)
        hint = "the window is 3 days on the Hobby workspace and 7 on the larger ones"
        return Outcome.failed(f"{actual}: shorter", expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)

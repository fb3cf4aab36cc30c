"""Whether the database's plan carries the application, and what it costs."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from checks.backups import transfer_errors
from checks.contract import Context, check
from checks.render.client import NotConfigured
from checks.render.plans import monthly, plan_named, slug
from checks.render.reach import find_database, find_service, reach, render_errors
from checks.render.shapes import Service
from metrics.sources.render import API
from state.verdicts import Outcome
from transfer.errors import CouldNotLook
from transfer.postgres import look, speaking_of

_LIMITS = (
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
    " - coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int,"
    " (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),"
    " (SELECT datconnlimit FROM pg_database WHERE datname = current_database())"
)
OVERLAP = 2  # a zero-downtime deploy runs the old and the new instances side by side


@dataclass(frozen=True, slots=True)
class Limit:
    """Connections that the application may have, and who SAYS so; with a DOUBT when it was not the server."""

    connections: int
    says: str
    doubt: str = ""


def demanded(pool_size: int, max_overflow: int, workers: int, instances: int) -> int:
    """Connections at the worst moment: every pool full, the old instances beside the new ones.

    >>> demanded(5, 10, 2, 1)
    60
    """
    return (pool_size + max_overflow) * workers * instances * OVERLAP


@check("render.plan", timeout="60s", fresh_for="1h")
@render_errors
@transfer_errors
def plan(
    ctx: Context,
    *,
    database: str | None = None,
    token: str | None = None,
    budget: float | None = None,
    price: float | None = None,
    pool_size: int | None = None,
    max_overflow: int | None = None,
    workers: int | None = None,
    instances: int | None = None,
    service: str | None = None,
    database_url: str | None = None,
    api_url: str = API,
) -> Outcome:
    """DATABASE is not on the free plan, costs at most BUDGET ($/month), and its connection limit covers the demand:
    (POOL_SIZE + MAX_OVERFLOW) x WORKERS x INSTANCES x 2, for the overlap of a deploy.

    INSTANCES are those of SERVICE unless given. The limit is read from the server at DATABASE_URL, and taken from the
    documentation where it cannot be reached. PRICE ($/month, without storage) is for a plan that is not known here.
    """
    with reach(ctx, token, api_url) as api:
        found = find_database(api, database)
        if instances is None and service is not None:
            instances = _instances(find_service(api, service))
    wanted = {"budget": budget, "pool_size": pool_size, "max_overflow": max_overflow, "workers": workers}
    lacking = [name for name, value in (wanted | {"instances": instances}).items() if value is None]
    if lacking:
        raise NotConfigured(f"not given: {', '.join(lacking)}", f"write {lacking[0]} = … in the item's `with`")
    assert budget is not None and instances is not None
    demand = demanded(pool_size or 0, max_overflow or 0, workers or 0, instances)
    if demand <= 0 or min(pool_size or 0, max_overflow or 0) < 0:
        raise NotConfigured(f"a demand of {demand} connections", "give the application's real pool and workers")
    limit = _limit_of(found.plan, database_url)
    cost = monthly(found, price)
    evidence: dict[str, object] = {"plan": found.plan, "demand": demand, "budget": budget}
    evidence["demand_is"] = f"({pool_size} + {max_overflow}) x {workers} workers x {instances} instances x {OVERLAP}"
    if limit is not None:
        evidence |= {"limit": limit.connections, "limit_from": limit.says}
    if not isinstance(cost, str):
        evidence |= {"dollars_a_month": cost.total}
    wrong, doubts = [], []
    if slug(found.plan) == "free":
        wrong.append("the free plan expires, and has no backups")
    if not isinstance(cost, str) and cost.total > budget:
        wrong.append(f"${cost.total:g} a month is more than {budget:g}")
    if limit is not None and demand > limit.connections:
        wrong.append(f"{demand} connections are wanted and {limit.connections} are to be had ({limit.says})")
    if limit is not None and limit.doubt:
        doubts.append(limit.doubt)
    expected = f"not free, at most ${budget:g} a month, {demand} connections"
    actual = f"{found.plan}: " + (cost if isinstance(cost, str) else f"${cost.total:g} a month")
    actual += f", {limit.connections} connections for {demand}" if limit is not None else ""
    if wrong:
        hint = "take a larger plan, a smaller pool, or fewer workers; a plan change takes minutes of downtime"
        return Outcome.failed(f"{actual}; {'; '.join(wrong)}", expected=expected, evidence=evidence, hint=hint)
    if isinstance(cost, str):
        hint = "see the dashboard, and give price = … ($/month, without storage)"
        return Outcome.unknown(f"{found.plan}: {cost}", evidence=evidence, hint=hint)
    if limit is None:
        hint = "give database_url, so that the server itself is asked"
        return Outcome.unknown(f"{found.plan}: its connection limit is not known here", evidence=evidence, hint=hint)
    if doubts:
        hint = "run it again from where the server can be reached"
        return Outcome.warned(f"{actual}; {'; '.join(doubts)}", expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _instances(service: Service) -> int | None:
    details = service.service_details
    scaling = details.autoscaling
    return scaling.max if scaling is not None and scaling.enabled else details.num_instances


def _limit_of(plan: str, database_url: str | None) -> Limit | None:
    why = "the limit is the documentation's, no server was asked"
    if database_url:
        try:
            return Limit(_read_limit(database_url), "the server")
        except CouldNotLook as blind:
            why = f"the limit is the documentation's, since the server cannot be reached: {blind}"
    known = plan_named(plan)
    return None if known is None else Limit(known.connections, "the documentation", why)


def _read_limit(database_url: str) -> int:
    connection = look(database_url, application_name="tminus check", statement_timeout=10)
    with closing(connection), speaking_of(database_url, connection), connection.cursor() as cur:
        cur.execute(_LIMITS)
        row = cur.fetchone()
    assert row is not None
    usable, role, database = row
    return min([int(usable), *(int(one) for one in (role, database) if one is not None and one >= 0)])


@check("render.cost", timeout="60s", fresh_for="1d")
@render_errors
def cost(
    ctx: Context,
    *,
    database: str | None = None,
    token: str | None = None,
    budget: float | None = None,
    price: float | None = None,
    api_url: str = API,
) -> Outcome:
    """Plan and storage of DATABASE cost at most BUDGET ($/month).

    PRICE ($/month, without storage) is for a plan that is not known here, and for high availability and replicas.
    """
    with reach(ctx, token, api_url) as api:
        found = find_database(api, database)
    if budget is None:
        raise NotConfigured("no budget", "write budget = … ($/month) in the item's `with`")
    evidence: dict[str, object] = {"plan": found.plan, "disk_gb": found.disk_gb or "not said", "budget": budget}
    costs = monthly(found, price)
    if isinstance(costs, str):
        hint = "see the dashboard, Billing, and give price = … ($/month, without storage)"
        return Outcome.unknown(f"{found.plan}: {costs}", evidence=evidence, hint=hint)
    evidence |= {"plan_dollars": costs.plan, "storage_dollars": costs.storage, "total_dollars": costs.total}
    actual = f"${costs.total:g} a month: plan {found.plan} ${costs.plan:g}, storage ${costs.storage:g}"
    expected = f"at most ${budget:g} a month"
    if costs.total > budget:
        hint = "a smaller plan, or a larger budget; a disk can grow, and never shrink"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)

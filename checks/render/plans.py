"""What the plans of Render's PostgreSQL cost and allow. Pure.

Prices of November 2026 from secondary sources ($/month); those above basic-4gb are not confirmed, which is why a
price can be given. Storage is $0.30 a GB and month, but for the legacy plans, whose disk is part of the price.
The connections are the documentation's: what a server really allows is read from the server where it can be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.render.shapes import Database

STORAGE = 0.30  # $/GB/month


@dataclass(frozen=True, slots=True)
class DatabasePlan:
    """A plan: PRICE in $/month without storage (None: not known), the CONNECTIONS that the application can have."""

    price: float | None
    connections: int
    disk_included: bool = False


# The documented limits of 100, 200, 400 and 500, less the three that PostgreSQL keeps for superusers.
PLANS: dict[str, DatabasePlan] = {
    "free": DatabasePlan(0, 97, disk_included=True),
    "basic-256mb": DatabasePlan(6, 97),
    "basic-1gb": DatabasePlan(19, 97),
    "basic-4gb": DatabasePlan(75, 97),
    "pro-4gb": DatabasePlan(55, 97),
    "pro-8gb": DatabasePlan(100, 197),
    "pro-16gb": DatabasePlan(200, 397),
    "starter": DatabasePlan(7, 97, disk_included=True),
    "standard": DatabasePlan(20, 97, disk_included=True),
    "pro": DatabasePlan(95, 97, disk_included=True),
    "pro-plus": DatabasePlan(185, 197, disk_included=True),
}
_BY_MEMORY = re.compile(r"(?:pro|accelerated)-(\d{1,4})gb")


def plan_named(name: str) -> DatabasePlan | None:
    """The plan of this NAME in any spelling; of the large ones the connections alone, by their memory.

    >>> plan_named("pro_64gb"), plan_named("colossal")
    (DatabasePlan(price=None, connections=497, disk_included=False), None)
    """
    found = PLANS.get(slug(name))
    if found is None and (match := _BY_MEMORY.fullmatch(slug(name))) is not None:
        gb = int(match[1])
        return DatabasePlan(None, 97 if gb < 8 else 197 if gb < 16 else 397 if gb < 32 else 497)
    return found


def slug(plan: str) -> str:
    """One spelling of a plan: the API writes underscores, the Blueprint hyphens or spaces.

    >>> slug("basic_256mb"), slug("Pro Plus")
    ('basic-256mb', 'pro-plus')
    """
    return plan.strip().lower().replace("_", "-").replace(" ", "-")


@dataclass(frozen=True, slots=True)
class Cost:
    """$/month of the PLAN and of its STORAGE."""

    plan: float
    storage: float

    @property
    def total(self) -> float:
        """Both together, in $/month."""
        return round(self.plan + self.storage, 2)


def monthly(database: Database, price: float | None = None) -> Cost | str:
    """What DATABASE costs a month, or why that is not known. PRICE is the plan's own, from the dashboard."""
    plan = plan_named(database.plan)
    if price is None:
        if plan is None or plan.price is None:
            return f"the price of plan {database.plan!r} is not known here"
        extras = [name for name, there in _extras(database) if there]
        if extras:
            return f"what {' and '.join(extras)} cost is not known here"
    cost = price if price is not None else plan.price if plan is not None else None
    if cost is None or not 0 <= cost < 1e6:
        return f"{price} is no price"
    if plan is not None and plan.disk_included:
        return Cost(cost, 0.0)
    if database.disk_gb is None or database.disk_gb <= 0:
        return "the API does not say how large the disk is"
    return Cost(cost, round(database.disk_gb * STORAGE, 2))


def _extras(database: Database) -> tuple[tuple[str, bool], ...]:
    return (
        ("high availability", database.high_availability_enabled),
        ("read replicas", bool(database.read_replicas)),
    )

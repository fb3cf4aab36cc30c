"""What every check of Render shares: its key, things found by id or name, and failures as verdicts."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import ParamSpec

from checks.contract import Context
from checks.render.client import Api, Missing, NotConfigured, Refused, RenderError
from checks.render.shapes import Database, Service
from metrics.sources.render import DATABASE_ID
from state.verdicts import Outcome

P = ParamSpec("P")

_SERVICE_ID = re.compile(r"(srv|crn)-[a-z0-9]+")
PLAN_WITHIN = 6.0  # seconds that a plan may take to look up what it speaks of


def reach(ctx: Context, token: str | None, url: str, *, within: float = float("inf")) -> Api:
    """The API. Raises NotConfigured without a TOKEN, RenderError for an address the token must not go to."""
    if not token:
        hint = 'set RENDER_API_KEY, and in [targets] render_token = "${env:RENDER_API_KEY}"'
        raise NotConfigured("no Render API key (token)", hint)
    return Api(ctx, token, url, within=within)


def find_database(api: Api, named: str | None) -> Database:
    """The database of this id (dpg-…) or name. Raises NotConfigured, Missing, RenderError for several of one name."""
    if not named:
        raise NotConfigured("no database is named", 'write database = "dpg-…", or its name, in [targets]')
    if DATABASE_ID.fullmatch(named):
        return api.get(f"/postgres/{named}", Database)
    found = [one for one in api.listing("/postgres", "postgres", Database, [("name", named)]) if one.name == named]
    return api.get(f"/postgres/{_only(found, 'database', named)}", Database)


def find_service(api: Api, named: str | None) -> Service:
    """The service of this id (srv-…) or name. Raises NotConfigured, Missing, RenderError for several of one name."""
    if not named:
        raise NotConfigured("no service is named", 'write service = "srv-…", or its name, in [targets]')
    if _SERVICE_ID.fullmatch(named):
        return api.get(f"/services/{named}", Service)
    found = [one for one in api.listing("/services", "service", Service, [("name", named)]) if one.name == named]
    return api.get(f"/services/{_only(found, 'service', named)}", Service)


def _only(found: list[Database] | list[Service], kind: str, named: str) -> str:
    ids = [one.id for one in found]
    if not ids:
        raise Missing(
            f"no {kind} named {named!r}", f"see the {kind}'s name in the dashboard, and the key's workspace"
        )
    if len(ids) > 1:
        raise RenderError(f"{len(ids)} {kind}s are named {named!r}: {', '.join(ids)}", "name the one by its id")
    return ids[0]


def outcome_of(error: RenderError, evidence: Mapping[str, object] | None = None) -> Outcome:
    """What a failure to ask, or a refusal, means as a verdict."""
    if isinstance(error, NotConfigured):
        return Outcome.unknown(error.what, hint=error.hint, evidence=evidence)
    if isinstance(error, Missing | Refused):
        return Outcome.failed(error.what, hint=error.hint, evidence=evidence)
    return Outcome.error(error.what, hint=error.hint, evidence=evidence)


def render_errors(look: Callable[P, Outcome]) -> Callable[P, Outcome]:
    """A missing setting is `unknown`; what is not there, or is refused, is `fail`; no answer is `error`."""

    @functools.wraps(look)
    def told(*args: P.args, **kwargs: P.kwargs) -> Outcome:
        try:
            return look(*args, **kwargs)
        except RenderError as error:
            return outcome_of(error)

    return told

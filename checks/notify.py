"""Telling the team: one message to every address, and who did not get it."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from checks.contract import Context, Plan, Seconds, Stopped, check
from state.verdicts import Outcome

if TYPE_CHECKING:
    from apprise import AppriseResult

_KINDS = {"mailto": "mail", "mailtos": "mail", "workflow": "teams", "workflows": "teams", "mmost": "mattermost"}
_HOSTS = {"hooks.slack.com": "slack", "discord.com": "discord", "discordapp.com": "discord"}
# What a library's log may say, and what is told of it: its own text may hold the address, which is a secret.
_REASONS = {
    r"refused": "connection refused",
    r"timed? ?out|did not finish": "no answer in time",
    r"name or service|name resolution|getaddrinfo|nodename|resolve": "the host name is not known",
    r"certificate|ssl": "the certificate is not valid",
    r"authenticat|\b535\b": "the login is refused",
}
_STATUS = re.compile(r"error=(\d{3})")
_NONE = "no address is configured (to)"
_HINT = 'write [targets] notify = ["${env:SLACK_URL}"], an Apprise URL each, and to = "${notify}"'


@dataclass(slots=True)
class Delivery:
    """What became of the message to one address: `said` is "sent" or why not; None while it is under way."""

    name: str
    said: str | None = None

    @property
    def sent(self) -> bool:
        """Whether the other side took it."""
        return self.said == "sent"


def kind_of(url: str) -> str:
    """What an address is, and nothing else of it.

    >>> kind_of("slack://T1/A1/secret"), kind_of("https://hooks.slack.com/services/secret"), kind_of("secret")
    ('slack', 'slack', 'an unknown address')
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "an unknown address"
    if not parts.scheme or "://" not in url:
        return "an unknown address"
    if parts.scheme == "https":
        return _HOSTS.get(host, "teams" if host.endswith((".logic.azure.com", ".powerplatform.com")) else "https")
    return _KINDS.get(parts.scheme, parts.scheme)


def _names(urls: list[str]) -> list[str]:
    """The kinds, numbered where there are several of one.

    >>> _names(["json://a", "mailto://b", "json://c"])
    ['json', 'mail', 'json 2']
    """
    seen: dict[str, int] = {}
    names = []
    for kind in map(kind_of, urls):
        seen[kind] = seen.get(kind, 0) + 1
        names.append(kind if seen[kind] == 1 else f"{kind} {seen[kind]}")
    return names


def _addresses(to: list[str] | str | None) -> list[str]:
    return [one.strip() for one in ([to] if isinstance(to, str) else to or []) if one.strip()]


def _plan_team(ctx: Context, *, text: str, to: list[str] | str | None, title: str, **_: object) -> Plan:
    target = ", ".join(_names(_addresses(to))) or _NONE
    return Plan((f"send to {target}", f"title: {title}", f"text: {text}"), "safe", target)


@check("notify.team", effect="change", timeout="60s", plan=_plan_team)
def team(
    ctx: Context,
    *,
    text: str,
    to: list[str] | str | None = None,
    title: str = "Deployment",
    within: Seconds = Seconds(20),  # noqa: B008 (immutable)
) -> Outcome:
    """Sends TEXT under TITLE to every address of TO: Apprise URLs of Slack, Discord, Teams, mail and others.

    Whoever did not get it WITHIN that time is told; that is a warning, and holds nothing up.
    """
    urls = _addresses(to)
    if not urls:
        return Outcome.unknown(_NONE, hint=_HINT)
    if not text.strip():
        return Outcome.unknown("there is no text to send", hint="write text = … in the item's `with`")
    _hush()
    try:
        import apprise
    except ImportError:
        return Outcome.error("apprise is not installed", hint="pip install 'tminus[notify]'")
    deliveries = [Delivery(name) for name in _names(urls)]
    seconds = min(within, max(ctx.seconds_left - 2, 1))
    threads = []
    for url, delivery in zip(urls, deliveries, strict=True):
        arguments = (apprise, url, delivery, title, text, seconds)
        threads.append(threading.Thread(target=_deliver, args=arguments, daemon=True, name="notify"))
        threads[-1].start()
    _wait(ctx, threads, seconds, len(urls))
    evidence: dict[str, object] = {one.name: one.said or "no answer in time" for one in deliveries}
    evidence = {name: said if said == "sent" else f"failed: {said}" for name, said in evidence.items()}
    without = [one for one in deliveries if not one.sent]
    actual = "; ".join(f"{name}: {said}" for name, said in evidence.items())
    evidence["text"] = text
    expected = f"{len(urls)} of {len(urls)} sent"
    if without:
        hint = f"tell them yourself: {', '.join(one.name for one in without)}"
        return Outcome.warned(actual, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _hush() -> None:
    """Let the library's log go nowhere but into its results: it tells whole addresses, which are secrets."""
    log = logging.getLogger("apprise")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    logging.getLogger("urllib3").setLevel(logging.WARNING)


def _wait(ctx: Context, threads: list[threading.Thread], seconds: float, total: int) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        going = sum(thread.is_alive() for thread in threads)
        ctx.progress(total - going, total, "addresses")
        if not going:
            return
        if ctx.cancelled.wait(0.02):
            raise Stopped("cancelled")


def _deliver(library: Any, url: str, delivery: Delivery, title: str, text: str, seconds: float) -> None:
    """Send to one URL. Never raises: what went wrong is what the delivery says."""
    try:
        look = {"app_id": "tminus", "app_desc": "tminus", "app_url": "", "image_url_mask": "", "image_url_logo": ""}
        messenger = library.Apprise(asset=library.AppriseAsset(**look))
        if not messenger.add(url):
            delivery.said = "not an address that is known"
            return
        result: AppriseResult = messenger.notify(
            body=text, title=title, body_format=library.NotifyFormat.TEXT, timeout=seconds, log_level=logging.DEBUG
        )
        delivery.said = "sent" if result else reason(str(entry.message) for entry in result.logs())
    except Exception as error:  # a plugin of the library's may raise what it likes
        delivery.said = reason([f"{type(error).__name__} {error}"])


def reason(lines: Iterable[str]) -> str:
    """Why a message was not taken, in words of our own.

    >>> reason(["Failed to send: Internal server error., error=500."]), reason(["[Errno 111] Connection refused"])
    ('status 500', 'connection refused')
    """
    text = "\n".join(lines)
    if status := _STATUS.search(text):
        return f"status {status[1]}"
    found = (said for pattern, said in _REASONS.items() if re.search(pattern, text, re.IGNORECASE))
    return next(found, "not taken")

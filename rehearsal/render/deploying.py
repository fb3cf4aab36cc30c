"""What becomes of a deploy: build, pre-deploy command, the new instance beside the old one, and the change-over.

Each is a generator that the supervisor takes a step further some fifty times a second, so that everything happens
in one thread and nothing waits for a deploy.
"""

import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rehearsal.processes import Running, alive, end, exit_code, spawn
from rehearsal.render import code
from rehearsal.render.book import Deploy, Service, stamp
from rehearsal.render.instances import (
    Instance,
    answers,
    database_of,
    end_instance,
    environment,
    release,
    room_of,
    settle,
    start_instance,
    tell_to_end,
)

if TYPE_CHECKING:
    from rehearsal.render.platform import Platform

T = TypeVar("T")
Steps = Generator[None, None, T]
BUILD = [sys.executable, "-m", "compileall", "-q", "."]
FAILING = [sys.executable, "-c", "raise SystemExit('error: this command fails, as it was told to')"]
BUILD_TIME, PRE_DEPLOY_TIME, SHUTDOWN = 120.0, 120.0, 30.0
HEALTH_EVERY = 0.1


class Failed(Exception):
    """The deploy ends with STATUS."""

    def __init__(self, status: str, why: str) -> None:
        self.status = status
        super().__init__(why)


def deploying(p: "Platform", deploy: Deploy, *, build: bool = True, fail: str = "") -> Steps[Deploy]:
    """Carry DEPLOY out, after those of its service that began before it. It never raises: see its status."""
    service = p.book.service(deploy.service)
    say = _said(p, service)
    try:
        while p.book.in_flight(service.id)[0] is not deploy:
            if deploy.status != "queued":
                _set(p, deploy, "queued")
            yield
            _go_on(p, deploy)
        with p.book.change():
            deploy.started_at = stamp()
        if build:
            yield from _build(p, service, deploy, fail)
        if build and (service.pre_deploy or fail == "pre_deploy"):
            yield from _pre_deploy(p, service, deploy, fail)
        _set(p, deploy, "update_in_progress")
        say("==> Deploying...")
        instance = yield from _healthy_instance(p, service, deploy, fail)
    except Failed as failure:
        say(f"==> {failure}")
        _finish(p, deploy, failure.status)
        return deploy
    except Exception as error:  # of this one deploy: the stage plays on
        say(f"==> {type(error).__name__}: {error}")
        _finish(p, deploy, "update_failed")
        return deploy
    before = p.book.live(service.id)
    old = point_to(p, service, instance)
    with p.book.change():
        if before is not None:
            before.status, before.updated_at = "deactivated", stamp()
        deploy.status, deploy.updated_at, deploy.finished_at = "live", stamp(), stamp()
    say(f"==> Your service is live: {instance.id} serves {deploy.commit[:10]}")
    yield from draining(p, service, old)
    return deploy


def restarting(p: "Platform", service: Service, live: Deploy) -> Steps[Instance]:
    """A new instance of what is LIVE, with the variables it has, in the place of the old one. Raises Failed, also
    when something else is live by then."""
    instance = start_instance(p.layout, p.stage, service, live)
    try:
        seconds = p.book.settings.health_seconds
        if not (yield from _until(lambda: _settled(instance), seconds, every=HEALTH_EVERY)) or not alive(
            instance.process
        ):
            raise Failed("", f"the app did not start; see {room_of(p.layout, service).error_log}")
        if service.suspended or p.book.live(service.id) is not live:
            raise Failed("", "something else was deployed meanwhile, or the service was suspended")
    except BaseException:
        end_instance(instance, patience=1.0)
        instance.run_file.unlink(missing_ok=True)
        raise
    old = point_to(p, service, instance)
    yield from draining(p, service, old)
    return instance


def point_to(p: "Platform", service: Service, instance: Instance) -> Instance | None:
    """From here on INSTANCE serves. The one that did, which still has requests to answer."""
    old = p.instances.get(service.id)
    if old is not None:
        p.layout.draining.touch()
    env = p.book.deploy(instance.deploy).env
    p.edges[service.id].point_to((instance.port, instance.id))
    if service.id == p.production.id:
        p.layout.database.write_text(database_of(env))
    p.instances[service.id] = settle(p.layout, instance)
    if old is not None:
        p.leaving.append(old)
    return old


def draining(p: "Platform", service: Service, old: Instance | None) -> Steps[None]:
    """Let OLD answer what it has, then tell it to end, as Render does; and see that it has."""
    if old is None:
        return
    edge = p.edges[service.id]
    yield from _until(lambda: edge.quiet(old.port), SHUTDOWN)
    tell_to_end(old)
    yield from _until(lambda: not alive(old.process), SHUTDOWN)
    end_instance(old, patience=0.0)
    with suppress(ValueError):
        p.leaving.remove(old)
    if not p.leaving:
        p.layout.draining.unlink(missing_ok=True)


def command(
    p: "Platform",
    service: Service,
    argv: Sequence[str],
    folder: Path,
    seconds: float,
    *,
    resource: str,
    kind: str,
    stop: Callable[[], None] = lambda: None,
) -> Steps[int | None]:
    """Run ARGV in FOLDER with the variables of SERVICE, its lines in the log; its exit code, None when it was not
    done within SECONDS. STOP is asked in between, and ends it by raising."""
    deploy = p.book.live(service.id)
    env = environment(p.layout, p.stage, service, service.env, deploy.commit if deploy else "")
    log = p.layout.run / f"{resource}-{kind}.log"
    log.unlink(missing_ok=True)
    log.touch(mode=0o600)
    p.logbook.follow(log, resource)
    run_file = p.layout.run_file(f"{kind}-{resource}")
    process: Running | None = None
    try:
        try:
            process = spawn(kind, argv, log=log, env=env, cwd=folder, run_file=run_file)
        except OSError as error:
            p.logbook.add(resource, kind, f"{argv[0]}: {error.strerror}", level="error")
            return 127
        until = time.monotonic() + seconds
        while (found := exit_code(process)) is None:
            stop()
            if time.monotonic() > until:
                return None
            yield
        return found
    finally:
        if process is not None:
            end(process, first=signal.SIGTERM, patience=1.0)
        for line in log.read_text(errors="replace").splitlines():
            p.logbook.add(resource, kind, line)
        log.unlink(missing_ok=True)
        run_file.unlink(missing_ok=True)


def argv_of(line: str) -> list[str]:
    """The words of a command LINE; the application's interpreter is that of the stage. Raises ValueError."""
    words = shlex.split(line)
    if words and words[0] in ("alembic", "flask"):
        return [sys.executable, "-m", *words]
    return [sys.executable if words[0] in ("python", "python3") else words[0], *words[1:]] if words else []


def _build(p: "Platform", service: Service, deploy: Deploy, fail: str) -> Steps[None]:
    _set(p, deploy, "build_in_progress")
    say = _said(p, service)
    say(f"==> Checking out commit {deploy.commit} in branch {service.branch}")
    target = release(p.layout, deploy.commit)
    folder = target.with_name(f"{target.name}.{deploy.id}")
    try:
        code.checkout(p.layout.repository, deploy.commit, folder)
        until = time.monotonic() + p.book.settings.build_seconds
        argv = FAILING if fail == "build" else BUILD
        say("==> Running build command 'python -m compileall -q .'...")
        done = yield from command(
            p, service, argv, folder, BUILD_TIME, resource=service.id, kind="build", stop=lambda: _go_on(p, deploy)
        )
        if done != 0:
            raise Failed("build_failed", f"Build failed: exited with status {done}")
        while time.monotonic() < until:
            _go_on(p, deploy)
            yield
        if not target.exists():  # else it is the same commit, and may be in use
            folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    say("==> Build successful")


def _pre_deploy(p: "Platform", service: Service, deploy: Deploy, fail: str) -> Steps[None]:
    """In a folder of its own: it sees no disk."""
    _set(p, deploy, "pre_deploy_in_progress")
    _said(p, service)(f"==> Starting pre-deploy: {service.pre_deploy}")
    folder = p.layout.run / f"pre-deploy-{deploy.id}"
    try:
        code.checkout(p.layout.repository, deploy.commit, folder)
        argv = FAILING if fail == "pre_deploy" else argv_of(service.pre_deploy)
        done = yield from command(
            p, service, argv, folder, PRE_DEPLOY_TIME, resource=service.id, kind="build",
            stop=lambda: _go_on(p, deploy),
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done != 0:
        raise Failed("pre_deploy_failed", f"Pre-deploy failed: exited with status {done}")


def _healthy_instance(p: "Platform", service: Service, deploy: Deploy, fail: str) -> Steps[Instance]:
    """A new instance that answers its health check with 2xx or 3xx. Raises Failed."""
    instance = start_instance(p.layout, p.stage, service, deploy)
    path = "/a-health-check-that-fails" if fail == "health" else service.health_path
    seen: list[int | None] = [None]

    def settled() -> bool:
        _go_on(p, deploy)
        if not alive(instance.process):
            return True
        seen[0] = answers(instance, path)
        return seen[0] is not None and seen[0] < 400

    try:
        well = yield from _until(settled, p.book.settings.health_seconds, every=HEALTH_EVERY)
        if not alive(instance.process):
            raise Failed("update_failed", "Exited early: the instance ended before it answered")
        if not well:
            why = f"status {seen[0]}" if seen[0] else "no answer"
            raise Failed("update_failed", f"Timed out: the health check {path} got {why}")
    except BaseException:
        end_instance(instance, patience=2.0)
        instance.run_file.unlink(missing_ok=True)
        raise
    return instance


def _settled(instance: Instance) -> bool:
    return not alive(instance.process) or answers(instance, "/") is not None


def _until(true: Callable[[], bool], seconds: float, *, every: float = 0.0) -> Steps[bool]:
    """Whether TRUE() became so within SECONDS."""
    end_at = time.monotonic() + seconds
    while not true():
        next_look = time.monotonic() + every
        while True:
            if time.monotonic() >= end_at:
                return False
            yield
            if time.monotonic() >= next_look:
                break
    return True


def _go_on(p: "Platform", deploy: Deploy) -> None:
    if deploy.id in p.cancelled:
        p.cancelled.discard(deploy.id)
        raise Failed("canceled", "The deploy was canceled")


def _set(p: "Platform", deploy: Deploy, status: str) -> None:
    with p.book.change():
        deploy.status, deploy.updated_at = status, stamp()


def _finish(p: "Platform", deploy: Deploy, status: str) -> None:
    with p.book.change():
        deploy.status, deploy.updated_at, deploy.finished_at = status, stamp(), stamp()


def _said(p: "Platform", service: Service) -> Callable[[str], None]:
    return lambda text: p.logbook.add(service.id, "build", text)

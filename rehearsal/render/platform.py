"""What Render does for the services of the stage: watches for pushes, deploys, keeps instances up, runs jobs."""

import os
import shutil
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from rehearsal.control import Layout
from rehearsal.postgres import Postgres
from rehearsal.processes import alive
from rehearsal.render import code
from rehearsal.render.book import Book, Deploy, Service, new_id, stamp
from rehearsal.render.deploying import Failed, Steps, deploying, restarting
from rehearsal.render.edge import Answered, Edge, EdgeServer
from rehearsal.render.instances import (
    PRODUCTION,
    STAGING,
    Instance,
    database_of,
    end_instance,
    room_of,
)
from rehearsal.render.logbook import Logbook
from rehearsal.render.measuring import Meter
from rehearsal.render.shelf import DATABASE, ON_SQLITE, prepare_staging
from rehearsal.stage import Stage

T = TypeVar("T")


class Refused(Exception):
    """An order that cannot be carried out; the text says why. STATUS is what the API answers."""

    def __init__(self, text: str, status: int = 400) -> None:
        self.status = status
        super().__init__(text)


class Platform:
    """Holds the instances. Every change goes through the supervisor's thread; `step` takes all a step further."""

    def __init__(self, layout: Layout, stage: Stage, book: Book) -> None:
        self.layout, self.stage, self.book = layout, stage, book
        self.logbook, self.meter = Logbook(), Meter()
        self.instances: dict[str, Instance] = {}
        self.leaving: list[Instance] = []
        self.cancelled: set[str] = set()
        self.steps: deque[tuple[Steps[Any], Callable[[Any], None]]] = deque()
        self.server: Callable[[], Postgres | None] = lambda: None
        self.turn: Callable[[str], str] = lambda wanted: f"PostgreSQL is {wanted}"
        self.postgres_suspended = False
        self.restarts = {"app": 0, "staging": 0}
        self.restart_at = 0.0
        self.edges = {one.id: Edge(why="there was no deploy yet") for one in book.services}
        self._servers: list[EdgeServer] = []
        self._inbox: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self.bell, self._ring = os.pipe()

    @property
    def production(self) -> Service:
        return self.book.service(PRODUCTION)

    def databases(self) -> dict[str, str]:
        return {DATABASE: self.stage.database_url}

    # From the beginning to the end

    def start(self) -> None:
        """Listen, and bring what was live up again; the first time, deploy what was pushed. Raises Refused."""
        self._clear_remains()
        for service in self.book.services:
            edge = self.edges[service.id]
            edge.told = self._noting(service)
            server = EdgeServer(service.port, edge)
            self._servers.append(server)
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        self._push_seen(self.production, first=True)
        for service in self.book.services:
            live = self.book.live(service.id)
            if live is None or service.suspended:
                self._no_instance(service)
            elif service is self.production:
                _finish(restarting(self, service, live))
            else:
                self.run(self._again(service, live))
        if self.book.live(self.production.id) is None and not self.production.suspended:
            deploy = self.new_deploy(self.production, self.book.tips[self.production.id], "blueprint_sync")
            if _finish(deploying(self, deploy)).status != "live":
                raise Refused(f"the app did not start; see {self.stage.error_log}")

    def _clear_remains(self) -> None:
        """Of a supervisor that was killed: what was half done."""
        with self.book.change():
            pass  # what was under way is written down as ended
        self.layout.draining.unlink(missing_ok=True)
        for half in ("releases/*.dep-*", "run/job-*", "run/pre-deploy-*", "run/metrics-*"):
            for path in self.layout.folder.glob(half):
                shutil.rmtree(path, ignore_errors=True)

    def end(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for steps, _ in self.steps:
            steps.close()
        self.steps.clear()
        for instance in (*self.leaving, *self.instances.values()):
            end_instance(instance)
            instance.run_file.unlink(missing_ok=True)
        self.instances.clear()

    def run(self, steps: Steps[Any], done: Callable[[Any], None] = lambda _: None) -> None:
        """Carry out STEPS beside all else; DONE gets what came of it, or the exception."""
        self.steps.append((steps, done))

    def do(self, action: Callable[[], T]) -> T:
        """ACTION, done by the supervisor's thread: for the threads of the API. Raises what it raises."""
        future: Future[T] = Future()
        self._inbox.put((action, future))
        os.write(self._ring, b"!")
        return future.result(timeout=60.0)

    def step(self) -> bool:
        """Do what the API asked for, and take everything one step further; whether there is more to do."""
        with suppress(Empty):
            while True:
                action, future = self._inbox.get_nowait()
                try:
                    future.set_result(action())
                except Exception as error:
                    future.set_exception(error)
        for _ in range(len(self.steps)):
            steps, done = self.steps.popleft()
            try:
                next(steps)
                self.steps.append((steps, done))
            except StopIteration as stop:
                done(stop.value)
            except Exception as error:
                done(error)
        return bool(self.steps)

    def watch(self) -> None:
        """Look for pushes, for instances that ended by themselves, and at what all of them use."""
        for service in self.book.services:
            self._push_seen(service)
            instance = self.instances.get(service.id)
            if instance is None:
                continue
            self.meter.sample(service.id, instance.process.pid, instance.id)
            room = room_of(self.layout, service)
            for path in (room.error_log, room.access_log):
                self.logbook.follow(path, service.id, instance=instance.id)
            if not alive(instance.process) and time.monotonic() >= self.restart_at:
                self._bring_back(service, instance)

    def _bring_back(self, service: Service, instance: Instance) -> None:
        self.restart_at = time.monotonic() + 1.0
        self.restarts[instance.process.name] += 1
        print(f"{instance.process.name} ended by itself, starting it again", flush=True)
        end_instance(instance)
        del self.instances[service.id]
        self._no_instance(service, "the instance ended by itself")
        live = self.book.live(service.id)
        if live is not None:
            self.run(self._again(service, live))

    def _again(self, service: Service, live: Deploy) -> Steps[None]:
        """Until it is up, or something else was deployed."""
        while service.id not in self.instances and not service.suspended and self.book.live(service.id) is live:
            try:
                yield from restarting(self, service, live)
            except Failed as failure:
                print(failure, flush=True)
                until = time.monotonic() + 1.0
                while time.monotonic() < until:
                    yield

    def _no_instance(self, service: Service, why: str = "") -> None:
        why = why or ("the service is suspended" if service.suspended else "there was no deploy yet")
        self.edges[service.id].point_to(None, why)

    def _noting(self, service: Service) -> Callable[[Answered], None]:
        host = f"127.0.0.1:{service.port}"

        def note(said: Answered) -> None:
            took = f"responseTimeMS={said.seconds * 1000:.0f}"
            message = f'[{said.method}] {host}{said.path} clientIP="127.0.0.1" requestID="{said.request}" {took}'
            labels = {"method": said.method, "statusCode": str(said.status), "host": host, "path": said.path}
            self.logbook.add(service.id, "request", message, instance=said.instance, **labels)

        return note

    # Deploys

    def _push_seen(self, service: Service, *, first: bool = False) -> None:
        """What was pushed to the branch of SERVICE since the last look: a Blueprint sync, and a deploy of it."""
        tip = code.tip(self.layout.repository, service.branch)
        if tip is None or self.book.tips.get(service.id) == tip:
            return
        env = service.env
        if service.name == PRODUCTION:
            try:
                plan = code.blueprint(self.layout.repository, tip)
                env = code.synced_env(plan, service.name, service.env, self.databases())
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self.logbook.add(service.id, "build", f"==> Blueprint sync failed: {error}", level="error")
        with self.book.change():
            self.book.tips[service.id] = tip
            service.env, service.updated_at = env, stamp()
        if first:
            return
        if service.auto_deploy and not service.suspended:
            self.begin(service, tip, "new_commit")
        else:
            self.logbook.add(service.id, "build", f"==> {tip[:10]} was pushed; auto-deploy is off")

    def new_deploy(self, service: Service, sha: str, trigger: str, env: dict[str, str] | None = None) -> Deploy:
        """A deploy of the commit SHA, written down. Raises Refused when there is no such commit."""
        commit = code.commit_of(self.layout.repository, sha)
        if commit is None:
            raise Refused(f"commit {sha[:40]!r} was not found in the repository", 400)
        used = dict(service.env if env is None else env)
        deploy = Deploy(new_id("dep"), service.id, trigger, commit.sha, commit.message, commit.at, used)
        with self.book.change():
            self.book.deploys.append(deploy)
        return deploy

    def begin(self, service: Service, sha: str, trigger: str, env: dict[str, str] | None = None) -> Deploy:
        """Deploy SHA beside all else. A rollback uses what was built then. Raises Refused."""
        if service.suspended:
            raise Refused("the service is suspended", 409)
        if service.name == STAGING:
            prepare_staging(self.layout)
        deploy = self.new_deploy(service, sha, trigger, env)
        with self.book.change():
            fail, self.book.settings.fail_next = self.book.settings.fail_next, ""
        self.run(deploying(self, deploy, build=trigger != "rollback", fail=fail))
        return deploy

    def switch(self, database: str) -> Steps[dict[str, Any]]:
        """Deploy what is live on the other DATABASE. When that fails, the variable is put back. Raises Refused."""
        service, live = self.production, self.book.live(self.production.id)
        if live is None:
            raise Refused("nothing is live")
        before = database_of(live.env)
        old_url = service.env.get("DATABASE_URL", ON_SQLITE)
        began = time.monotonic()
        with self.book.change():
            service.env["DATABASE_URL"] = self.stage.database_url if database == "postgresql" else ON_SQLITE
        deploy = self.new_deploy(service, live.commit, "api")
        yield from deploying(self, deploy, build=False)
        if deploy.status != "live":
            with self.book.change():
                service.env["DATABASE_URL"] = old_url
            raise Refused(f"the app did not start on {database}; it is still on {before}")
        return {"took": time.monotonic() - began, "before": before}

    def restart(self, service: Service) -> Steps[dict[str, Any]]:
        """The same commit with the same variables, in a new instance. Raises Refused."""
        live = self.book.live(service.id)
        if live is None or service.suspended:
            raise Refused("nothing is live", 409)
        began, before = time.monotonic(), database_of(live.env)
        try:
            yield from restarting(self, service, live)
        except Failed as failure:
            raise Refused(str(failure)) from failure
        return {"took": time.monotonic() - began, "before": before}

    def suspend(self, service: Service) -> None:
        with self.book.change():
            service.suspended, service.updated_at = True, stamp()
        self.cancelled |= {one.id for one in self.book.in_flight(service.id)}
        self._no_instance(service)
        instance = self.instances.pop(service.id, None)
        if instance is not None:
            end_instance(instance)
            instance.run_file.unlink(missing_ok=True)

    def resume(self, service: Service) -> None:
        """Up again, by a deploy of what was live."""
        with self.book.change():
            service.suspended, service.updated_at = False, stamp()
        live = self.book.live(service.id)
        if live is not None:
            self.begin(service, live.commit, "service_resumed")


def _finish(steps: Steps[Any]) -> Any:
    """Take STEPS to their end, when there is nothing else to do."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
        time.sleep(0.02)

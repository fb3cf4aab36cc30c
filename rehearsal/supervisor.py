"""The process that owns the stage: PostgreSQL, what stands in for Render, the visitors. It takes orders.

Everything is done by one thread, a step at a time: the kernel ends a child with the thread that started it, and
here that thread is the process. Other threads only serve HTTP.
"""

import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg2

from rehearsal.control import Layout, database_in_use, listen
from rehearsal.fetch import Unanswered, get
from rehearsal.postgres import Postgres, PostgresError, create_database, start_postgres, stop_postgres
from rehearsal.processes import Running, alive, end, spawn, write_private
from rehearsal.render.api import ApiServer
from rehearsal.render.book import FAULTS, load_book
from rehearsal.render.instances import PRODUCTION, STAGING
from rehearsal.render.platform import Platform, Refused
from rehearsal.render.shelf import make_book
from rehearsal.stage import Stage, new_secrets, save_stage

WATCH_EVERY = 0.5
STEP_EVERY = 0.02


class Supervisor:
    """Holds what runs. Every change goes through `obey`, or the API's `Platform.do`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.plan: dict[str, Any] = json.loads(layout.plan.read_text())
        self.platform: Platform | None = None
        self.api: ApiServer | None = None
        self.visitors: Running | None = None
        self.postgres: Postgres | None = None
        self.stage: Stage | None = None
        self.visitor_restarts = 0
        self.stopping = False
        self.watch_at = self.restart_at = 0.0
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def serve(self, leash: int | None) -> None:
        """Start everything, then watch and obey until told to stop, or until LEASH (a pipe) is let go."""
        with listen(self.layout) as server:
            try:
                platform = self._start_all()
                self.layout.ready.touch()
                watched: list[Any] = [server, platform.bell] + ([] if leash is None else [leash])
                while not self.stopping:
                    # Interrupted calls are resumed by Python, so the time limit also bounds a signal's delay.
                    patience = STEP_EVERY if platform.steps else WATCH_EVERY
                    readable, _, _ = select.select(watched, [], [], patience)
                    if leash in readable and not os.read(leash or 0, 1024):
                        self.stopping = True
                    if platform.bell in readable:
                        os.read(platform.bell, 4096)
                    if server in readable:
                        self._listen_to(server.accept()[0])
                    platform.step()
                    if not self.stopping and time.monotonic() >= self.watch_at:
                        self.watch_at = time.monotonic() + WATCH_EVERY
                        self._watch()
            finally:
                self.layout.ready.unlink(missing_ok=True)
                self._end_all()

    def _listen_to(self, client: socket.socket) -> None:
        """Obey CLIENT. What takes a while is answered when it is done."""
        assert self.platform is not None

        def answer(done: Any) -> None:
            with client, suppress(OSError):
                client.sendall(json.dumps(_answer(done)).encode() + b"\n")

        try:
            client.settimeout(5.0)
            with client.makefile("rb") as lines:
                order = json.loads(lines.readline())
            done = self.obey(order)
        except (OSError, ValueError):
            client.close()
        except Exception as error:
            answer(error)
        else:
            if isinstance(done, Generator):
                self.platform.run(done, answer)
            else:
                answer(done)

    def obey(self, order: dict[str, Any]) -> dict[str, Any] | Generator[None, None, dict[str, Any]]:
        """Carry out an order; what was done, or the steps to it. Raises Refused."""
        assert self.platform is not None
        match order:
            case {"order": "stop"}:
                self.stopping = True
                return {"text": "stopping"}
            case {"order": "status"}:
                return self._status()
            case {"order": "restart"}:
                service = self.platform.book.service(STAGING if order.get("staging") else PRODUCTION)
                return self._told(self.platform.restart(service), service.port)
            case {"order": "switch", "to": "sqlite" | "postgresql" as database}:
                if database == "postgresql" and not self._postgres_up():
                    raise Refused("PostgreSQL is not running: nothing was changed")
                return self._told(self.platform.switch(database), self.plan["port"])
            case {"order": "postgres", "to": "on" | "off" as wanted}:
                return {"text": self._turn_postgres(wanted)}
            case {"order": "fail", "next": str(what)} if what in (*FAULTS, "nothing"):
                with self.platform.book.change():
                    self.platform.book.settings.fail_next = "" if what == "nothing" else what
                return {"text": f"the next deploy fails at {what}"}
            case {"order": "build", "seconds": int() | float() as seconds, "health": int() | float() as health}:
                with self.platform.book.change():
                    settings = self.platform.book.settings
                    settings.build_seconds, settings.health_seconds = float(seconds), float(health)
                return {"text": f"a build takes {seconds:g} s or more, a health check {health:g} s at the most"}
        raise Refused(f"unknown order {order!r}")

    # What runs

    def _start_all(self) -> Platform:
        self._start_postgres()
        assert self.postgres is not None
        book = load_book(self.layout.book)
        make_book(book, self.plan, f"{self.postgres.url.rsplit('/', 1)[0]}/app_staging")
        self._make_database("app_staging")
        self.stage = save_stage(self.layout, self.postgres, self.plan, book)
        self.platform = platform = Platform(self.layout, self.stage, book)
        platform.server, platform.turn = lambda: self.postgres, self._turn_postgres
        platform.start()
        self.api = ApiServer(self.plan["api_port"], platform, self.stage.render_token)
        Thread(target=self.api.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        if self.plan["visitors"]:
            self._start_visitors()
        return platform

    def _start_postgres(self) -> None:
        keys = new_secrets(self.layout)
        known: dict[str, Any] = {}
        with suppress(FileNotFoundError, ValueError):
            known = json.loads(self.layout.postgres.read_text())
        home = Path(known["home"]) if "home" in known else None
        if home is not None and not home.is_dir():  # the system cleaned its temporary folder
            home = None
        self.postgres = start_postgres(
            home,
            port=known.get("port"),
            password=keys["password"],
            superuser_password=keys["superuser_password"],
            run_file=self.layout.run_file("postgres"),
        )
        write_private(self.layout.postgres, json.dumps({"home": str(self.postgres.home), "port": self.postgres.port}))

    def _make_database(self, name: str) -> None:
        assert self.postgres is not None
        with closing(psycopg2.connect(self.postgres.superuser_url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            missing = not cursor.fetchone()
        if missing:
            create_database(self.postgres.superuser_url, name)

    def _postgres_up(self) -> bool:
        return self.postgres is not None and alive(self.postgres.process)

    def _start_visitors(self) -> None:
        argv = [sys.executable, "-m", "rehearsal.visitors", "--stage", str(self.layout.folder)]
        self.visitors = spawn(
            "visitors",
            argv,
            log=self.layout.logs / "visitors.log",
            env=os.environ,
            run_file=self.layout.run_file("visitors"),
        )

    def _end_all(self) -> None:
        if self.visitors is not None:
            end(self.visitors)
        if self.api is not None:
            self.api.shutdown()
            self.api.server_close()
        if self.platform is not None:
            self.platform.end()
        if self.postgres is not None:
            stop_postgres(self.postgres)
        for path in self.layout.run.glob("*.run.json"):
            path.unlink(missing_ok=True)
        (self.layout.run / "control").unlink(missing_ok=True)

    def _watch(self) -> None:
        """Instances and visitors that died are started again, as a platform does; once a second at most.
        PostgreSQL stays down: that is somebody else's machine."""
        assert self.platform is not None
        if self.postgres is not None:
            self.platform.meter.sample("postgres", self.postgres.pid, "postgres")
        self.platform.watch()
        if self.visitors is not None and not alive(self.visitors) and time.monotonic() >= self.restart_at:
            self.visitor_restarts += 1
            self.restart_at = time.monotonic() + 1.0
            print("visitors ended by themselves, starting them again", flush=True)
            end(self.visitors)
            self._start_visitors()

    # Orders

    def _told(self, steps: Generator[None, None, dict[str, Any]], port: int) -> Generator[None, None, dict[str, Any]]:
        """STEPS, and what is to be said of them: where the app at PORT is now, and how well it is."""
        done = yield from steps
        health = {"database": "unknown", "commit": "unknown", "instance": "unknown"} | _health(port)
        well = "" if health["status"] == "ok" else f", but is not well: {health.get('problem')}"
        return {
            "text": f"restarted in {done['took']:.1f} s: {done['before']} -> {health['database']}, "
            f"commit {health['commit'][:12]}, instance {health['instance']} serves{well}"
        }

    def _turn_postgres(self, wanted: str) -> str:
        if wanted == "off" and self.postgres is not None:
            stop_postgres(self.postgres)
        elif wanted == "on" and not self._postgres_up():
            try:
                self._start_postgres()
            except PostgresError as error:
                raise Refused(str(error)) from error
        return f"PostgreSQL is {wanted}"

    def _status(self) -> dict[str, Any]:
        assert self.platform is not None
        instance = self.platform.instances.get(self.platform.production.id)
        postgres = self.postgres.process if self.postgres else None
        up = {"app": instance.process if instance else None, "postgres": postgres, "visitors": self.visitors}
        visitors: dict[str, Any] = {}
        with suppress(FileNotFoundError, ValueError):
            visitors = json.loads(self.layout.visitors_status.read_text())
        deploys = self.platform.book.deploys_of(self.platform.production.id)
        return {
            "database": database_in_use(self.layout),
            "running": {name: process is not None and alive(process) for name, process in up.items()},
            "pids": {name: process.pid for name, process in up.items() if process is not None},
            "restarts": {"app": self.platform.restarts["app"], "visitors": self.visitor_restarts},
            "deploy": {"id": deploys[0].id, "status": deploys[0].status, "commit": deploys[0].commit}
            if deploys
            else {},
            "health": _health(self.plan["port"]),
            "visitors": visitors,
        }


def _health(port: int) -> dict[str, Any]:
    """What the app at PORT says of itself."""
    try:
        found = json.loads(get(f"http://127.0.0.1:{port}/healthz", timeout=6.0)[1])
    except (Unanswered, ValueError) as error:
        return {"status": "error", "problem": f"{error}" if isinstance(error, Unanswered) else "not JSON"}
    return found if isinstance(found, dict) else {"status": "error", "problem": "not an object"}


def _answer(done: Any) -> dict[str, Any]:
    """What becomes of an order, as it is told."""
    if isinstance(done, Refused):
        return {"ok": False, "text": str(done)}
    if isinstance(done, Exception):
        traceback.print_exception(done)
        return {"ok": False, "text": f"{type(done).__name__}: {done}"}
    return {"ok": True, **done}


def serve(folder: Path, *, leashed: bool) -> None:
    """Be the supervisor of the stage in FOLDER. LEASHED: end when standard input ends."""
    Supervisor(Layout(folder.resolve())).serve(0 if leashed else None)

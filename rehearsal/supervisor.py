"""The process that owns the stage: PostgreSQL, the app, the visitors. It takes orders one at a time.

Single-threaded: the kernel ends a child with the thread that started it, and here that thread is the process.
"""

import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from rehearsal.control import Layout, database_in_use, listen
from rehearsal.postgres import Postgres, PostgresError, start_postgres, stop_postgres
from rehearsal.processes import Running, alive, end, spawn, wait_until, write_private
from rehearsal.stage import Stage, new_secrets, save_stage

WATCH_EVERY = 0.5
APP_READY = 30.0
PATIENCE = 12.0  # over gunicorn's own graceful_timeout


class Refused(Exception):
    """An order that cannot be carried out; the text says why."""


class Supervisor:
    """Holds what runs. Every change goes through `obey`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.plan: dict[str, Any] = json.loads(layout.plan.read_text())
        self.app: Running | None = None
        self.visitors: Running | None = None
        self.postgres: Postgres | None = None
        self.stage: Stage | None = None
        self.restarts = {"app": 0, "visitors": 0}
        self.stopping = False
        self.restart_at = 0.0
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def serve(self, leash: int | None) -> None:
        """Start everything, then watch and obey until told to stop, or until LEASH (a pipe) is let go."""
        with listen(self.layout) as server:
            try:
                self._start_all()
                self.layout.ready.touch()
                watched: list[Any] = [server] if leash is None else [server, leash]
                while not self.stopping:
                    # Interrupted calls are resumed by Python, so the time limit also bounds a signal's delay.
                    readable, _, _ = select.select(watched, [], [], WATCH_EVERY)
                    if leash in readable and not os.read(leash or 0, 1024):
                        self.stopping = True
                    elif server in readable:
                        self._answer(server.accept()[0])
                    self._watch()
            finally:
                self.layout.ready.unlink(missing_ok=True)
                self._end_all()

    def _answer(self, client: Any) -> None:
        with client, suppress(OSError, ValueError):
            client.settimeout(5.0)
            with client.makefile("rb") as lines:
                order = json.loads(lines.readline())
            try:
                answer = {"ok": True} | self.obey(order)
            except Refused as refusal:
                answer = {"ok": False, "text": str(refusal)}
            except Exception as error:
                traceback.print_exc()
                answer = {"ok": False, "text": f"{type(error).__name__}: {error}"}
            client.sendall(json.dumps(answer).encode() + b"\n")

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out an order; what was done. Raises Refused."""
        match order:
            case {"order": "stop"}:
                self.stopping = True
                return {"text": "stopping"}
            case {"order": "status"}:
                return self._status()
            case {"order": "restart"}:
                return {"text": self._deploy(database_in_use(self.layout))}
            case {"order": "switch", "to": "sqlite" | "postgresql" as database}:
                return {"text": self._deploy(database)}
            case {"order": "postgres", "to": "on" | "off" as wanted}:
                return {"text": self._turn_postgres(wanted)}
        raise Refused(f"unknown order {order!r}")

    # What runs

    def _start_all(self) -> None:
        keys = new_secrets(self.layout)
        self._start_postgres()
        assert self.postgres is not None
        self.stage = save_stage(self.layout, self.postgres, self.plan, keys["secret_key"])
        self._start_app(database_in_use(self.layout))
        if self.plan["visitors"]:
            self._start_visitors()

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

    def _start_app(self, database: str) -> dict[str, Any]:
        """Start gunicorn on DATABASE and wait until its own processes answer; what /healthz says then."""
        assert self.stage is not None
        instance = f"srv-skymodder-{time.time_ns():x}"
        argv = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
        self.layout.database.write_text(database)
        self.app = spawn(
            "app",
            argv,
            log=self.stage.error_log,
            cwd=self.layout.app,
            env=self._app_environment(database, instance),
            run_file=self.layout.run_file("app"),
        )
        answer: dict[str, Any] = {}

        def answers() -> bool:
            assert self.app is not None
            if not alive(self.app):
                return True
            answer.update(self._health())
            return answer.get("instance") == instance

        if not wait_until(answers, APP_READY, every=0.1) or answer.get("instance") != instance:
            raise Refused(f"the app did not start on {database}; see {self.stage.error_log}")
        return answer

    def _app_environment(self, database: str, instance: str) -> dict[str, str]:
        assert self.stage is not None
        env = {key: value for key, value in os.environ.items() if not key.startswith("RENDER_")}
        env.pop("PYTHONPATH", None)
        return env | {
            "DATABASE_URL": self.stage.database_url if database == "postgresql" else "",
            "SECRET_KEY": self.stage.secret_key,
            "MAIL_OUTBOX": str(self.layout.outbox),
            "MAINTENANCE_FILE": str(self.layout.maintenance),
            "PROMETHEUS_MULTIPROC_DIR": str(self.layout.run / "metrics"),
            "ACCESS_LOG": str(self.stage.access_log),
            "ERROR_LOG": str(self.stage.error_log),
            "PORT": str(self.plan["port"]),
            "WEB_CONCURRENCY": "2",
            "RENDER_INSTANCE_ID": instance,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _start_visitors(self) -> None:
        assert self.stage is not None
        argv = [sys.executable, "-m", "rehearsal.visitors", "--stage", str(self.layout.folder)]
        self.visitors = spawn(
            "visitors",
            argv,
            log=self.layout.logs / "visitors.log",
            env=os.environ,
            run_file=self.layout.run_file("visitors"),
        )

    def _end_app(self) -> None:
        if self.app is not None:
            end(self.app, patience=PATIENCE)
        self.app = None
        self.layout.run_file("app").unlink(missing_ok=True)

    def _end_all(self) -> None:
        if self.visitors is not None:
            end(self.visitors)
        self._end_app()
        if self.postgres is not None:
            stop_postgres(self.postgres)
        for name in ("visitors", "app", "postgres", "supervisor"):
            self.layout.run_file(name).unlink(missing_ok=True)
        (self.layout.run / "control").unlink(missing_ok=True)

    def _watch(self) -> None:
        """Start the app and the visitors again when they died, as a platform does; once a second at most.
        PostgreSQL stays down: that is somebody else's machine."""
        if self.stopping or time.monotonic() < self.restart_at:
            return
        starts: list[tuple[str, Running | None, Callable[[], object]]] = [
            ("app", self.app, lambda: self._start_app(database_in_use(self.layout))),
            ("visitors", self.visitors, self._start_visitors),
        ]
        for name, process, start in starts:
            if process is not None and not alive(process):
                self.restarts[name] += 1
                self.restart_at = time.monotonic() + 1.0
                print(f"{name} ended by itself, starting it again", flush=True)
                end(process)
                try:
                    start()
                except Refused as refusal:
                    print(refusal, flush=True)

    # Orders

    def _deploy(self, database: str) -> str:
        """Restart the app on DATABASE. When it does not come up there, it is put back where it was."""
        before = database_in_use(self.layout)
        if database == "postgresql" and not (self.postgres and alive(self.postgres.process)):
            raise Refused("PostgreSQL is not running: nothing was changed")
        began = time.monotonic()
        self._end_app()
        try:
            health = self._start_app(database)
        except Refused as refusal:
            self._end_app()
            self._start_app(before)
            raise Refused(f"{refusal}; it is back on {before}") from None
        took = time.monotonic() - began
        well = "" if health["status"] == "ok" else f", but is not well: {health.get('problem')}"
        return (
            f"restarted in {took:.1f} s: {before} -> {health['database']}, commit {health['commit'][:12]}, "
            f"instance {health['instance']} serves{well}"
        )

    def _turn_postgres(self, wanted: str) -> str:
        up = self.postgres is not None and alive(self.postgres.process)
        if wanted == "off" and self.postgres is not None:
            stop_postgres(self.postgres)
        elif wanted == "on" and not up:
            try:
                self._start_postgres()
            except PostgresError as error:
                raise Refused(str(error)) from error
        return f"PostgreSQL is {wanted}"

    def _status(self) -> dict[str, Any]:
        postgres = self.postgres.process if self.postgres else None
        up = {"app": self.app, "postgres": postgres, "visitors": self.visitors}
        visitors: dict[str, Any] = {}
        with suppress(FileNotFoundError, ValueError):
            visitors = json.loads(self.layout.visitors_status.read_text())
        return {
            "database": database_in_use(self.layout),
            "running": {name: process is not None and alive(process) for name, process in up.items()},
            "pids": {name: process.pid for name, process in up.items() if process is not None},
            "restarts": self.restarts,
            "health": self._health(),
            "visitors": visitors,
        }

    def _health(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.plan['port']}/healthz"
        try:
            answer = httpx.get(url, timeout=6.0, trust_env=False)
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            return {"status": "error", "problem": type(error).__name__}
        return found if isinstance(found, dict) else {"status": "error", "problem": "not an object"}


def serve(folder: Path, *, leashed: bool) -> None:
    """Be the supervisor of the stage in FOLDER. LEASHED: end when standard input ends."""
    Supervisor(Layout(folder.resolve())).serve(0 if leashed else None)

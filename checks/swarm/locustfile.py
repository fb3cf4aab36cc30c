"""The visitors of a load test: each walks journeys, one after the other, each time as somebody new.

Read by Locust, never imported by tminus. The journeys come in the environment:

    TMINUS_LOAD_FILE      the file of journeys
    TMINUS_LOAD_JOURNEYS  their names, a JSON list
    TMINUS_LOAD_VARS      variables that go before the file's own, a JSON object
    TMINUS_LOAD_WAIT      seconds that a visitor thinks between two steps, half of it more or less
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, task
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import StopUser

# The folder of the project stands first in Locust's path, and may have a folder of our name.
_HOME = str(Path(__file__).resolve().parents[2])
sys.path.insert(0, _HOME)
from checks.journeys import load_journey  # noqa: E402
from checks.swarm.visitor import Session, walk  # noqa: E402

sys.path.remove(_HOME)

_VARS: dict[str, str] = json.loads(os.environ.get("TMINUS_LOAD_VARS") or "{}")
_WAIT = float(os.environ.get("TMINUS_LOAD_WAIT") or 1)
_FILE = Path(os.environ.get("TMINUS_LOAD_FILE") or "journeys.toml")
_ROUTES = [load_journey(_FILE, name, _VARS) for name in json.loads(os.environ["TMINUS_LOAD_JOURNEYS"])]
_ENDING = ("stopping", "stopped", "cleanup")


class Visitor(FastHttpUser):
    """Somebody new for every journey."""

    insecure = False
    network_timeout = 30.0
    connection_timeout = 10.0

    def wait_time(self) -> float:
        """Between two journeys, and between two steps."""
        return random.uniform(0.5, 1.5) * _WAIT  # noqa: S311 (no secret)

    @task
    def journey(self) -> None:
        """One of the journeys, from its first step to its last."""
        walk(random.choice(_ROUTES), self.host or "", _VARS, self._open, self._between, self._report)  # noqa: S311
        if self._ending():
            raise StopUser

    def _open(self) -> Session:
        session: Session = FastHttpSession(
            base_url=self.host,
            request_event=self.environment.events.request,
            user=self,
            insecure=self.insecure,
            network_timeout=self.network_timeout,
            connection_timeout=self.connection_timeout,
            max_retries=0,
        )
        return session

    def _between(self) -> bool:
        time.sleep(self.wait_time())  # of this visitor alone: Locust has made it one of its own
        return not self._ending()

    def _ending(self) -> bool:
        runner = self.environment.runner
        return runner is None or runner.state in _ENDING

    def _report(self, method: str, name: str, wrong: str) -> None:
        said: dict[str, Any] = {"request_type": method, "name": name, "response_time": 0, "response_length": 0}
        self.environment.events.request.fire(**said, exception=RuntimeError(wrong), context={})

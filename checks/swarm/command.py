"""Locust's command line, what goes into its environment, and why it could not start. Pure, but for a free port.

Source: locust 2.47, `argument_parser.py` and `main.py`: `--processes` forks workers, and makes the first a master.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).resolve().parent
SHIPPED = _HERE / "locustfile.py"
TELLING = _HERE / "telling.py"
_LOG = re.compile(r"^\[[^\]]*\] [^/]*/([A-Z]+)/[\w.]+: (.*)")  # [time] host/ERROR/locust.main: text
_RAISED = re.compile(r"^(?:[A-Za-z_][\w.]*(?:Error|Exception|Exit|Warning)|[A-Z]\w+)(?::|$)")


@dataclass(frozen=True, slots=True)
class Load:
    """What is brought on: USERS, RATE more a second, for DURATION seconds; PROCESSES workers, 0 for none apart."""

    host: str
    users: int
    rate: float
    duration: float
    locustfile: Path
    processes: int = 0


def argv_of(load: Load, python: str, figures: Path, port: int = 0) -> list[str]:
    """The command; FIGURES is the name of its JSON file without ".json", PORT where its workers find their master."""
    argv = [python, "-m", "locust", "-f", f"{load.locustfile},{TELLING}", "--headless", "--host", load.host]
    argv += ["--users", str(load.users), "--spawn-rate", f"{load.rate:g}", "--run-time", f"{round(load.duration)}s"]
    argv += ["--stop-timeout", "5", "--only-summary", "--json-file", str(figures)]
    if load.processes:
        argv += ["--processes", str(load.processes), "--expect-workers-max-wait", "30"]
        argv += ["--master-bind-host", "127.0.0.1", "--master-host", "127.0.0.1"]
        argv += ["--master-bind-port", str(port), "--master-port", str(port)]
    return argv


def environment(journeys: Sequence[str], file: Path, given: Mapping[str, str], wait: float) -> dict[str, str]:
    """What the shipped locustfile reads. Values may be secrets: they are never in the arguments."""
    return {
        "TMINUS_LOAD_FILE": str(file),
        "TMINUS_LOAD_JOURNEYS": json.dumps(list(journeys)),
        "TMINUS_LOAD_VARS": json.dumps(dict(given)),
        "TMINUS_LOAD_WAIT": f"{wait:g}",
    }


def free_port() -> int:
    """A port of the loopback that nobody has at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def lacks_locust(stderr: str) -> bool:
    """Whether the interpreter said that it has no Locust."""
    return "No module named locust\n" in f"{stderr}\n" or "No module named 'locust'" in stderr


def why_not(stderr: str) -> str:
    """Why Locust could not start: the last error that it logged or that was raised, else its last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for line in reversed(lines):
        if (found := _LOG.match(line)) is not None:
            if found[1] in ("ERROR", "CRITICAL"):
                return found[2]
        elif _RAISED.match(line):
            return line
    return lines[-1] if lines else "it said nothing"


def short_of_cpu(stderr: str) -> bool:
    """Whether Locust said that it could not bring on more, so that its times are partly its own."""
    return "CPU usage above" in stderr or "CPU usage was too high" in stderr

"""Two workers of four threads. Metrics of both go through one folder."""

import os
import shutil
from pathlib import Path
from typing import Any

METRICS = Path(os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(Path(__file__).parent / ".prometheus")))

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 4
timeout = 30
graceful_timeout = 8
keepalive = 2
control_socket_disable = True
accesslog = os.environ.get("ACCESS_LOG", "-")
errorlog = os.environ.get("ERROR_LOG", "-")
capture_output = True
# The combined format, then the duration in microseconds.
access_log_format = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s'


def on_starting(server: Any) -> None:
    """Counts of workers that are gone belong to the run before."""
    shutil.rmtree(METRICS, ignore_errors=True)
    METRICS.mkdir(parents=True)


def child_exit(server: Any, worker: Any) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)

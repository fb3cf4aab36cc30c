"""After a restart the windows go on where they were: the history of the last two hours is read again."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from pathlib import Path

from metrics.history import HistoryError, Recording
from metrics.live import Live
from metrics.samples import utc_now

BACK = timedelta(hours=2)

_log = logging.getLogger("tminus.engine")


def start(path: Path, live: Live, until: datetime) -> threading.Thread:
    """Begin to read the history at PATH up to UNTIL into LIVE, in a thread of its own."""
    thread = threading.Thread(target=recall, args=(path, live, until), name="recalling", daemon=True)
    thread.start()
    return thread


def recall(path: Path, live: Live, until: datetime) -> None:
    """Read the two hours before UNTIL of the history at PATH into LIVE. What cannot be read is logged."""
    try:
        with Recording(path) as recording:
            for metric in recording.metrics():
                for one in recording.samples(metric, until - BACK, until):
                    live.recall(one, (utc_now() - one.at).total_seconds())
    except HistoryError as error:
        _log.info("no earlier metrics: %s", error)

"""Secrets that sing: each holds the mark, so that any piece of one is found wherever it has gone, in whatever form."""

from __future__ import annotations

import base64
import io
import os
import tarfile
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

MARK = "c4n4ry"
PASSWORD = f"{MARK}:p@ss/w%rd&#\"'\\+{MARK}"  # what URLs, JSON, SQL, shells and HTML each write in their own way

SECRETS = {
    "RENDER_API_KEY": f"rnd_{MARK}Render",
    "SENTRY_AUTH_TOKEN": f"sntrys_{MARK}Sentry",
    "PROMETHEUS_TOKEN": f"{MARK}-prometheus",
    "SMTP_URL": f"mailtos://me:{MARK}-smtp@127.0.0.1:1/?to=team@example.org",
    "SLACK_URL": f"https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/{MARK}Slack0000000000000",
    "AWS_ACCESS_KEY_ID": f"AKIA{MARK}KEY",
    "AWS_SECRET_ACCESS_KEY": f"{MARK}/s3+secret",
    "JOURNEY_PASSWORD": PASSWORD,
    "OAUTH_SECRET": f"GOCSPX-{MARK}\\n{MARK}",
    "SHORT": MARK,
    "WRONG_URL": f"postgresql://app:{MARK}1@{MARK}2/{MARK}3@127.0.0.1:1/app",
    "MALFORMED_URL": f"postgresql://app:{MARK}%zz@127.0.0.1:1/app",
}


def database_url(url: str) -> str:
    """URL with the password of this table, as a URL has to write it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://canary:{quote(PASSWORD, safe='')}@{rest.rpartition('@')[2]}"


def _cores(mark: bytes) -> Iterator[bytes]:
    """What of MARK stands in any base64 of a text that holds it: it may begin at three places of a group."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + mark)
        whole = len(bytes(before) + mark) // 3 * 4
        yield coded[(before * 8 + 5) // 6 : whole]


FORMS = (
    MARK.encode(),
    MARK[::-1].encode(),
    *_cores(MARK.encode()),
    MARK.encode("utf-16-le"),
    MARK.encode().hex().encode(),
)


def songs(raw: bytes) -> list[bytes]:
    """Where one is heard in RAW, with what is around it."""
    return [raw[max(at - 60, 0) : at + 40] for form in FORMS if (at := raw.find(form)) >= 0]


def unpacked(path: Path) -> bytes:
    """PATH as it is, and what an archive in it holds."""
    raw = path.read_bytes()
    if path.name.endswith(".tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
            return b"".join(tar.extractfile(one).read() for one in tar.getmembers() if one.isfile())  # type: ignore[union-attr]
    with suppress(zlib.error):
        return raw + zlib.decompress(raw, 47)
    return raw


class Processes:
    """Looks at the arguments of all that run, again and again, and notes in which one is heard."""

    def __init__(self) -> None:
        self.heard: set[bytes] = set()
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        looked: Counter[str] = Counter()
        while not self._stop.wait(0.03):
            for name in os.listdir("/proc"):  # noqa: PTH208 (thousands of times)
                # A process that has not become another program by now does not.
                if not name.isdigit() or looked[name] > 5:
                    continue
                looked[name] += 1
                with suppress(OSError):
                    line = Path("/proc", name, "cmdline").read_bytes()
                    self.seen.add(line[:200])
                    if songs(line):
                        self.heard.add(line)

"""A redacted archive: text goes in, is cleaned of secrets, and is bounded in all."""

from __future__ import annotations

import io
import os
import re
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from state.clean import clean
from state.durable import fsync_folder
from state.redact import MASK, Redactor

_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.{0,20000}?(?:-----END [A-Z0-9 ]{0,40}-----|\Z)", re.DOTALL
)
_NAME = re.compile(r"[^\w.\-]+")
_CUT = "… the part before is left out: it would be too large …\n"


@dataclass
class Archive:
    """The members so far, each redacted by REDACT; together at most LIMIT bytes before compression."""

    redact: Redactor
    limit: int
    members: dict[str, bytes] = field(default_factory=dict)
    manifest: list[str] = field(default_factory=list)
    had: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    def add(self, part: str, name: str, text: str) -> None:
        """TEXT as the file NAME of PART. Of one that is too large the end is kept, and the rest is said to lack."""
        data = self.safe(text).encode(errors="replace")
        room = self.limit - sum(map(len, self.members.values()))
        if room < 1024:
            self.lack(part, f"{name}: no room, the archive has its {self.limit:,} bytes")
            return
        if len(data) > room:
            whole, data = len(data), _CUT.encode() + data[-(room - len(_CUT.encode())) :].split(b"\n", 1)[-1]
            self.lack(part, f"{name}: its last {len(data):,} of {whole:,} bytes alone")
        safe_name = self._free(_NAME.sub("_", self.safe(name)).lstrip("._") or "file")
        self.members[safe_name] = data
        self.manifest.append(f"had      {part}: {safe_name}, {len(data):,} bytes")
        if part not in self.had:
            self.had.append(part)

    def lack(self, part: str, why: str) -> None:
        """Say that something of PART is not there, and why."""
        reason = " ".join(self.safe(why).split())
        self.manifest.append(f"lacking  {part}: {reason}")
        self.lacking.append(f"{part} ({reason})")

    def note(self, part: str, what: str) -> None:
        """Say something of PART that is nothing to miss."""
        self.manifest.append(f"noted    {part}: {' '.join(self.safe(what).split())}")

    def safe(self, text: str) -> str:
        """TEXT as it may leave the house: clean first, so that no control character hides a secret."""
        plain = "\n".join(clean(line) for line in text.split("\n"))
        return self.redact(_PEM.sub(MASK, plain))

    def write(self, path: Path) -> int:
        """All of it as a tar.gz of mode 0600 at PATH, which must not exist; its bytes. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_name(path.name + ".partial")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
                    manifest = "\n".join(
                        ["had: it is here; lacking: it is not, and why; noted: to be known", *self.manifest, ""]
                    )
                    for name, data in {"MANIFEST": manifest.encode(), **self.members}.items():
                        info = tarfile.TarInfo(f"{path.name.removesuffix('.tar.gz')}/{name}")
                        info.size, info.mode, info.mtime = len(data), 0o600, int(time.time())
                        tar.addfile(info, io.BytesIO(data))
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
        fsync_folder(path.parent)
        return path.stat().st_size

    def _free(self, name: str) -> str:
        number, free = 1, name
        while free in self.members:
            number += 1
            free = f"{number}-{name}"
        return free

"""An HTTP server on the loopback that remembers what it was asked, plain or with TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Recorder:
    """Answers 200 with BODY; CONNECTIONS counts those accepted, ASKED holds (head, body) of every request. With
    HANG_UP a kept connection is ended instead of its second answer."""

    port: int = 0
    body: bytes = b"ok"
    status: str = "200 OK"
    hang_up: bool = False
    connections: int = 0
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answers = 0
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                fields = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n")[1:])
                self.asked.append((head, await reader.readexactly(int(fields.get("content-length", 0)))))
                if self.hang_up and answers:
                    break
                answers += 1
                answer = f"HTTP/1.1 {self.status}\r\nLocation: /elsewhere\r\nContent-Length: {len(self.body)}\r\n\r\n"
                writer.write(answer.encode() + self.body)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def recording(tls: ssl.SSLContext | None = None) -> AsyncIterator[Recorder]:
    it = Recorder()
    listening = await asyncio.start_server(it.serve, "127.0.0.1", 0, ssl=tls)
    it.port = listening.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        listening.close()


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A self-signed certificate for NAME and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*argv, "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    return cert, key

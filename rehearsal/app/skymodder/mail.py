# mypy: disable-error-code="import-not-found"
"""Mail, written to the outbox folder as one .eml file each."""

import secrets
import time
from email.message import EmailMessage

from config import settings


def send(to: str, subject: str, text: str) -> None:
    message = EmailMessage()
    message["From"] = "SkyModder <no-reply@skymodder.example>"
    message["To"] = to
    message["Subject"] = subject
    message.set_content(text)
    settings.outbox.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns()}-{secrets.token_hex(4)}.eml"
    unfinished = settings.outbox / f".{name}"
    unfinished.write_bytes(message.as_bytes())
    unfinished.rename(settings.outbox / name)

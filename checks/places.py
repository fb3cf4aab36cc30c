"""Places where a backup is kept: a folder, or a bucket of S3 or Google Cloud Storage.

Each puts a file whole or not at all, never over one that is there, and reads it back as a stream.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from checks.addresses import allowed

Tick = Callable[[int], None]  # so many bytes more; raises when it is to stop

_CHUNK = 1024 * 1024
_AT_ONCE = 32 * 1024 * 1024  # bytes; a larger file goes in parts, which cannot be made conditional
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_S3_ENV = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
_S3_OPTIONS = ("access_key_id", "skip_signature")
_GCS_ENV = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
_GCS_OPTIONS = ("service_account_path", "service_account_key", "application_credentials", "skip_signature")


class PlaceError(Exception):
    """The place did not take the file, or did not give it back. `seen`: the place itself said no."""

    def __init__(self, what: str, hint: str = "", *, seen: bool = False) -> None:
        self.what, self.hint, self.seen = what, hint, seen
        super().__init__(what)


class NoPlace(PlaceError):
    """A setting is missing."""


class Place(Protocol):
    """Where files are kept by their names."""

    def sha256(self, name: str, tick: Tick) -> str | None:
        """Of the file NAME, read to its end; None when it is not there. Raises PlaceError."""

    def put(self, name: str, path: Path, tick: Tick) -> None:
        """PATH as NAME, whole or not at all, and never over another. Raises PlaceError."""


def digest(path: Path, tick: Tick) -> str:
    """The sha256 of a file on this machine. Raises OSError."""
    found = hashlib.sha256()
    for piece in _pieces(path, tick):
        found.update(piece)
    return found.hexdigest()


def _pieces(path: Path, tick: Tick) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            tick(len(piece))
            yield piece


def _there(name: str) -> PlaceError:
    return PlaceError(f"{name} is there already", "nothing is overwritten: see what it is", seen=True)


class Folder:
    """A folder on this machine, made for the owner alone where it is not there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def sha256(self, name: str, tick: Tick) -> str | None:
        try:
            return digest(self._path / name, tick)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PlaceError(f"{name} cannot be read back: {error.strerror}") from None

    def put(self, name: str, path: Path, tick: Tick) -> None:
        final = self._path / name
        part = self._path / f".{name}.{secrets.token_hex(4)}.part"
        try:
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(file, "wb") as out:
                for piece in _pieces(path, tick):
                    out.write(piece)
                out.flush()
                os.fsync(out.fileno())
            _take_name(part, final)
            folder = os.open(self._path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileExistsError:
            raise _there(name) from None
        except OSError as error:
            raise PlaceError(f"{name} cannot be written: {error.strerror}", "see the disk, and the rights") from None
        finally:
            with suppress(OSError):
                part.unlink()


def _take_name(part: Path, final: Path) -> None:
    """Give PART its name FINAL, unless there is one. Raises FileExistsError."""
    try:
        final.hardlink_to(part)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if final.exists():  # a disk without links, such as a USB stick
            raise FileExistsError(errno.EEXIST, "exists") from None
        part.rename(final)


class Bucket:
    """A bucket at "s3://bucket/prefix" or "gs://bucket/prefix". OPTIONS are those of obstore's store.

    Raises NoPlace without credentials, PlaceError for options that are none.
    """

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        s3 = parts.scheme == "s3"
        if not parts.netloc or "@" in parts.netloc:
            raise PlaceError("no bucket is named", f'write to = "{parts.scheme}://bucket/folder"')
        _with_credentials(s3, options)
        endpoint = _endpoint(s3, options)
        if endpoint and not allowed(endpoint):
            raise PlaceError(
                "the endpoint must be https (http for this machine alone)", "correct endpoint in options"
            )
        try:
            import obstore
            from obstore.store import GCSStore, S3Store
        except ImportError:
            raise PlaceError("obstore is not installed", "pip install 'tminus[store]'") from None
        self._library: Any = obstore
        self._bucket = f"{parts.scheme}://{parts.netloc}"
        client = {
            "timeout": timedelta(minutes=5),
            "connect_timeout": timedelta(seconds=5),
            "allow_http": endpoint.startswith("http://"),
        }
        retry = {"max_retries": 2, "retry_timeout": timedelta(seconds=60)}
        make: Any = S3Store if s3 else GCSStore
        prefix = parts.path.strip("/") or None
        try:
            self._store = make(parts.netloc, prefix=prefix, client_options=client, retry_config=retry, **options)
        except Exception as error:  # its own errors have no common class for this
            known = ", ".join(sorted(options)) or "none"
            raise PlaceError(
                f"the options ({known}) make no store: {type(error).__name__}", "see docs/store.md"
            ) from None

    def sha256(self, name: str, tick: Tick) -> str | None:
        found = hashlib.sha256()
        try:
            for piece in self._library.get(self._store, name).stream(min_chunk_size=_CHUNK):
                found.update(piece)
                tick(len(piece))
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise self._told(error) from None
            return None
        except self._failures() as error:
            raise self._told(error) from None
        return found.hexdigest()

    def put(self, name: str, path: Path, tick: Tick) -> None:
        there_already: tuple[type[BaseException], ...] = (
            FileExistsError,
            self._library.exceptions.AlreadyExistsError,
        )
        try:
            if path.stat().st_size > _AT_ONCE:
                self._library.put(self._store, name, _pieces(path, tick))
                return
            content = path.read_bytes()
            try:
                self._library.put(self._store, name, content, mode="create")
            except self._library.exceptions.NotSupportedError:  # it was looked at before: it is not there
                self._library.put(self._store, name, content)
            tick(len(content))
        except there_already:
            raise _there(name) from None
        except self._failures() as error:
            raise self._told(error) from None

    def _failures(self) -> tuple[type[BaseException], ...]:
        return (self._library.exceptions.BaseError, OSError)

    def _told(self, error: BaseException) -> PlaceError:
        """What happened, in few words: the library's own text repeats requests and answers."""
        text = str(error)
        status, code = _STATUS.search(text), _CODE.search(text)
        said = ", ".join([f"status {status[1]}"] if status else []) + (f", {code[1]}" if code else "")
        if isinstance(error, FileNotFoundError):
            return PlaceError(
                f"{self._bucket} is not there ({said})", "make the bucket, or correct its name", seen=True
            )
        if status and status[1] in ("401", "403"):
            hint = "these credentials may not do that: they need to read and to write there"
            return PlaceError(f"{self._bucket}: denied ({said})", hint, seen=True)
        return PlaceError(f"{self._bucket}: {said or 'no answer'}", "see the network and the endpoint; run it again")


def _endpoint(s3: bool, options: Mapping[str, str]) -> str:
    """Where the bucket is when it is not at Amazon or Google themselves; "" when it is."""
    if s3:
        return options.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL") or ""
    try:
        key = json.loads(options.get("service_account_key") or "{}")
        return str(key.get("gcs_base_url") or "")
    except (ValueError, AttributeError):
        raise PlaceError("service_account_key is not a key as Google writes it", "give its JSON") from None


def _with_credentials(s3: bool, options: Mapping[str, str]) -> None:
    # Without any the library would ask the metadata service of a cloud machine, and wait for one that is not there.
    if any(options.get(name) for name in (_S3_OPTIONS if s3 else _GCS_OPTIONS)):
        return
    if any(os.environ.get(name) for name in (_S3_ENV if s3 else _GCS_ENV)):
        return
    if not s3 and Path("~/.config/gcloud/application_default_credentials.json").expanduser().is_file():
        return
    variable = (_S3_ENV if s3 else _GCS_ENV)[0]
    hint = f"set {variable}" + (" and AWS_SECRET_ACCESS_KEY" if s3 else "") + ", or give them in options"
    raise NoPlace("no credentials for the bucket", hint)

"""A table of a checklist, asked for its values one by one. What is wrong is said with its key, and never with
its value, which may be a secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from state.durations import parse_duration


class ConfigError(ValueError):
    """A table that makes no source. KEY is its path, as in metrics.http.targets[0].url."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key, self.why = key, why


class Table:
    """A table whose values are asked for one by one, so that what nobody asked for can be refused (`done`).

    Every method that asks raises ConfigError with the key, and says what would be right. BASE is the folder that
    paths are relative to.
    """

    def __init__(self, path: str, values: object, base: Path = Path()) -> None:
        if not isinstance(values, Mapping):
            raise ConfigError(path, "must be a table")
        self.path, self.base, self._left = path, base, dict(values)
        self.asked: set[str] = set()

    def key(self, name: str) -> str:
        """The whole path of NAME."""
        return f"{self.path}.{name}"

    def wrong(self, name: str, why: str) -> ConfigError:
        """The error to raise about NAME."""
        return ConfigError(self.key(name), why)

    def take(self, name: str, default: Any = None) -> Any:
        """The value as it stands, or DEFAULT."""
        self.asked.add(name)
        return self._left.pop(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        """Words of at least one character; needed when there is no DEFAULT."""
        value = self.take(name, default)
        if not isinstance(value, str) or (not value and value != default):
            raise self.wrong(name, "must be a text" if value is not None else "is needed")
        return value

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts; needed when there is no DEFAULT."""
        value = self.take(name, default)
        if value is None:
            raise self.wrong(name, "is needed")
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
            raise self.wrong(name, "must be a list of texts")
        return tuple(value)

    def choice(self, name: str, *choices: str) -> str:
        """One of CHOICES; the first when nothing is said."""
        value = self.take(name, choices[0])
        if value not in choices:
            raise self.wrong(name, f"must be one of {', '.join(choices)}")
        return str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """true or false."""
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "must be true or false")
        return value

    def seconds(self, name: str, default: float) -> float:
        """A duration over 0, in seconds."""
        value = self.take(name)
        if value is None:
            return default
        try:
            seconds = parse_duration(value) if isinstance(value, str) else None
        except ValueError:
            seconds = None
        if not seconds:
            raise self.wrong(name, 'must be a duration over 0, as in "5s"')
        return seconds

    def whole(self, name: str, default: int | None) -> int | None:
        """A whole number of 1 or more."""
        value = self.take(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.wrong(name, "must be a whole number of 1 or more")
        return value

    def url(self, *schemes: str, name: str = "url", default: str | None = None) -> str:
        """A URL of one of SCHEMES, with a host."""
        value = self.take(name, default)
        try:
            parts = urlsplit(value) if isinstance(value, str) else None
        except ValueError:
            parts = None
        if not isinstance(value, str) or parts is None or parts.scheme not in schemes or not parts.netloc:
            raise self.wrong(name, f"must be a URL that begins with {' or '.join(schemes)}://")
        return value

    def table(self, name: str) -> Table:
        """The table of that name, empty when there is none. Its own `done` is to be called too."""
        return Table(self.key(name), self.take(name, {}), self.base)

    def tables(self, name: str) -> list[Table]:
        """A list of tables, at least one."""
        rows = self.take(name)
        if not isinstance(rows, list) or not rows:
            raise self.wrong(name, "must be a list of tables, at least one")
        return [Table(f"{self.key(name)}[{n}]", row, self.base) for n, row in enumerate(rows)]

    def file(self, name: str, default: str = "") -> Path | None:
        """A path, relative to the checklist's folder; None when there is none and no DEFAULT."""
        value = self.text(name, default)
        return self.base / value if value else None

    def mapping(self, name: str) -> dict[str, str]:
        """A table of texts by name, maybe empty."""
        value = self.take(name, {})
        if not isinstance(value, Mapping) or not all(isinstance(one, str) and one for one in value.values()):
            raise self.wrong(name, "must be a table of texts")
        return dict(value)

    def done(self) -> None:
        """Refuse what nobody asked for."""
        for name in self._left:
            raise self.wrong(name, "is no key of this table; there are " + ", ".join(sorted(self.asked)))

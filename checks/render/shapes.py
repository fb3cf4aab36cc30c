"""What is read of Render's answers. Unknown fields are left alone; a missing one that is needed is an error.

Source: the generated client types of render-oss/cli and recorded answers. A field that judges something (a status,
`suspended`) is needed: its absence must not look like good news.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,80}$")]  # it becomes a part of addresses
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ErrorBody(msgspec.Struct, frozen=True):
    """An error in words; every part of it may be absent."""

    id: str | None = None
    message: str | None = None
    code: str | None = None


class Replica(msgspec.Struct, frozen=True):
    """A read replica of a database."""

    id: Id
    name: str


class Network(msgspec.Struct, frozen=True, rename="camel"):
    """Who may connect from outside."""

    cidr_block: str


class Database(msgspec.Struct, frozen=True, rename="camel"):
    """A PostgreSQL. `suspended` is "suspended" or "not_suspended"; `expires_at` is of the free plan alone."""

    id: Id
    name: str
    plan: str
    region: str
    version: str
    status: str
    suspended: str
    created_at: Moment
    role: str = "primary"
    database_name: str = ""
    disk_gb: int | None = msgspec.field(name="diskSizeGB", default=None)
    expires_at: Moment | None = None
    high_availability_enabled: bool = False
    read_replicas: list[Replica] | None = None
    ip_allow_list: list[Network] | None = None


class Connections(msgspec.Struct, frozen=True, rename="camel"):
    """How a database is reached. Every part is a secret: nothing of it is shown but hosts and names."""

    internal_connection_string: str
    external_connection_string: str
    internal_connection_pool_string: str | None = None
    external_connection_pool_string: str | None = None

    def __repr__(self) -> str:
        return "Connections(…)"


class Recovery(msgspec.Struct, frozen=True, rename="camel"):
    """Point-in-time recovery: AVAILABLE, BACKUP_NOT_READY or NOT_AVAILABLE, and the oldest moment to go back to."""

    recovery_status: str
    starts_at: Moment | None = None


class Export(msgspec.Struct, frozen=True, rename="camel"):
    """A logical export; without a `url` until it is ready. The url is a secret."""

    id: Id
    created_at: Moment
    url: str | None = None

    def __repr__(self) -> str:
        return f"Export({self.id})"


class Maintenance(msgspec.Struct, frozen=True):
    """The maintenance page: answers 503 to the public."""

    enabled: bool
    uri: str = ""


class Autoscaling(msgspec.Struct, frozen=True):
    """From `min` to `max` instances."""

    enabled: bool
    min: int = 1
    max: int = 1


class ServiceDetails(msgspec.Struct, frozen=True, rename="camel"):
    """What a service of its type has; a static site has next to nothing of it."""

    plan: str = ""
    region: str = ""
    num_instances: int | None = None
    autoscaling: Autoscaling | None = None
    maintenance_mode: Maintenance | None = None


class Service(msgspec.Struct, frozen=True, rename="camel"):
    """A service. `auto_deploy` is "yes" or "no"; the trigger says of what: commit, checksPass or off."""

    id: Id
    name: str
    type: str
    owner_id: str
    auto_deploy: str
    suspended: str
    service_details: ServiceDetails
    auto_deploy_trigger: str | None = None
    branch: str = ""

    @property
    def deploys_itself(self) -> bool:
        """Whether a push starts a deploy."""
        return self.auto_deploy != "no" and self.auto_deploy_trigger != "off"

    @property
    def in_maintenance(self) -> bool:
        """Whether the public sees the maintenance page."""
        mode = self.service_details.maintenance_mode
        return mode is not None and mode.enabled


class Commit(msgspec.Struct, frozen=True):
    """The commit of a deploy."""

    id: str
    message: str = ""


class Deploy(msgspec.Struct, frozen=True, rename="camel"):
    """A deploy; `deactivated` was live and has a successor."""

    id: Id
    status: str
    created_at: Moment
    trigger: str = ""
    commit: Commit | None = None
    finished_at: Moment | None = None

    @property
    def sha(self) -> str:
        """Its commit; "" for an image."""
        return self.commit.id if self.commit is not None else ""


class Job(msgspec.Struct, frozen=True, rename="camel"):
    """A one-off job: pending, running, succeeded, failed or canceled."""

    id: Id
    status: str
    created_at: Moment
    start_command: str = ""
    finished_at: Moment | None = None


class LogLine(msgspec.Struct, frozen=True):
    """One line of a log."""

    timestamp: Moment
    message: str


class Logs(msgspec.Struct, frozen=True, rename="camel"):
    """A page of log lines."""

    logs: list[LogLine]
    has_more: bool = False

"""Where a session comes from, as SSH says in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

from state.clean import clean, shorten


def ssh_origin(connection: str) -> str:
    """The origin of a session whose SSH_CONNECTION is CONNECTION ("client port server port").

    >>> ssh_origin("192.0.2.7 52011 192.0.2.1 22")
    'ssh 192.0.2.7'
    """
    return "ssh " + shorten(clean(connection).split(" ")[0], 60)


def own_origin(environment: Mapping[str, str] = os.environ) -> str:
    """The origin of this very process."""
    connection = environment.get("SSH_CONNECTION", "")
    return ssh_origin(connection) if connection else "local"

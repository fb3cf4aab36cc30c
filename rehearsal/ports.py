"""Ports on the loopback, below those the kernel hands out for outgoing connections, so that a port keeps
belonging to its server while that is being restarted."""

import random
import socket

LOW, HIGH = 20_000, 32_000


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port nobody listens on. Raises OSError when 200 tries found none."""
    for _ in range(200):
        port = random.SystemRandom().randrange(LOW, HIGH)
        if is_free(port):
            return port
    raise OSError(f"no free port between {LOW} and {HIGH} on 127.0.0.1")

"""What another user of this machine sees: a child of ours that becomes them. Only root can make one."""

from __future__ import annotations

import json
import multiprocessing
import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


def as_user(login: str, act: Callable[[], Any]) -> Any:
    """What ACT returns (or the name of the OSError that it raises) when LOGIN runs it, in no group but their own."""
    user = pwd.getpwnam(login)

    def become() -> None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    return _in_a_child(become, act)


def under_sudo(login: str, act: Callable[[], Any]) -> Any:
    """What ACT returns when LOGIN, who logged in by that name, runs it as root: the kernel keeps who logged in."""
    uid = pwd.getpwnam(login).pw_uid
    return _in_a_child(lambda: Path("/proc/self/loginuid").write_text(str(uid), encoding="ascii"), act)


def _in_a_child(become: Callable[[], object], act: Callable[[], Any]) -> Any:
    here, there = multiprocessing.get_context("fork").Pipe()

    def run() -> None:
        try:
            become()
            there.send(act())
        except OSError as error:
            there.send(type(error).__name__)

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    try:
        assert here.poll(30), "the other user said nothing"
        return here.recv()
    finally:
        child.join(10)


def talk(path: Path, *requests: dict[str, Any], name: str = "") -> list[dict[str, Any]]:
    """The engine's answers at PATH to a hello of NAME and to REQUESTS, one after the other."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(20)
        line.connect(str(path))
        lines = line.makefile("rwb")
        answers = []
        for request in ({"ask": "hello", "protocol": 3, "name": name}, *requests):
            lines.write(json.dumps(request).encode() + b"\n")
            lines.flush()
            answers.append(json.loads(lines.readline()))
        return answers

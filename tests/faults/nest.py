"""Run by the tests: imports the engine once, then forks one for every line it reads: TAB-separated runtime folder,
log file, checklist and options. With a terminal in the place of the log and "cockpit" and a socket in that of the
rest, it forks a cockpit, whose terminal controls it. Answers with the process id."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import tminus.engine.__main__ as engine
from tminus.engine import heartbeat, session, vigil

vigil.EVERY = session.SAVE_EVERY = 0.2  # seconds; the tests wait for both
os.environ.setdefault("TEST_SECRET", "sesame-open-canary")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: no zombies


def fly(log: str, argv: list[str]) -> None:
    """Be an engine."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for handle, source in ((0, null), (1, out), (2, out)):
        os.dup2(source, handle)
    if argv[-1].startswith("gap="):  # seconds after which standing still counts
        heartbeat.GAP = float(argv.pop().removeprefix("gap="))
    sys.argv = ["tminus.engine", *argv]
    engine.main()


def show(terminal: str, socket: str) -> None:
    """Be a cockpit."""
    tty = os.open(terminal, os.O_RDWR)  # of a session that has none, so it is the one that controls it
    for handle in (0, 1, 2):
        os.dup2(tty, handle)
    os.environ |= {"TERM": "xterm-256color", "PYTHONUTF8": "1"}
    from tui.launch import run_cockpit
    from tui.settings import Settings

    sys.exit(run_cockpit(Path(socket), name="anna", settings=Settings(theme="auto")))


for line in iter(sys.stdin.readline, ""):
    runtime, log, *argv = line.rstrip("\n").split("\t")
    if argv[0] == "cockpit" and "textual" not in sys.modules:
        os.environ |= {"TEXTUAL_ANIMATIONS": "none", "TEXTUAL_SMOOTH_SCROLL": "0", "ESCDELAY": "50"}
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.environ["XDG_RUNTIME_DIR"] = runtime
        code = 1
        try:
            if argv[0] == "cockpit":
                show(log, argv[1])
            else:
                fly(log, argv)
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            code = end.code if isinstance(end.code, int) else 1
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(pid, flush=True)

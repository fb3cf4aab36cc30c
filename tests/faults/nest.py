"""Run by the tests: imports the engine once, then forks one for every line it reads: TAB-separated runtime folder,
log file, checklist and options. Answers with the process id."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import tminus.engine.__main__ as engine

os.environ.setdefault("TEST_SECRET", "sesame-open-canary")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: no zombies
for line in iter(sys.stdin.readline, ""):
    runtime, log, *argv = line.rstrip("\n").split("\t")
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.environ["XDG_RUNTIME_DIR"] = runtime
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for handle, source in ((0, null), (1, out), (2, out)):
            os.dup2(source, handle)
        sys.argv = ["tminus.engine", *argv]
        code = 1
        try:
            engine.main()
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            code = end.code if isinstance(end.code, int) else 1
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(pid, flush=True)

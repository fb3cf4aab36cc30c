"""`python -m rehearsal`: set the practice stage, and give it orders. Exit 0 done, 1 refused or failed."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rehearsal.control import Layout, NotRunning, ask
from rehearsal.stage import StageError, end_stage, load_stage, running, set_stage

ORDERED = ("to", "next", "seconds", "health", "staging")  # the words of an order


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        return _run(given)
    except (StageError, NotRunning, OSError, ValueError) as error:
        print(f"{error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("--stage", type=Path, required=True, metavar="DIR", help="the folder of the stage")
        return added

    up = command("up", "set the stage, and end it with Ctrl+C")
    up.add_argument("--users", type=int, default=2000)
    up.add_argument("--rate", type=float, default=15.0, help="requests a second by the visitors")
    up.add_argument("--no-visitors", dest="visitors", action="store_false")
    command("serve", "be the supervisor (started by `up`)").add_argument("--leashed", action="store_true")
    down = command("down", "end everything the stage started")
    down.add_argument("--remove", action="store_true", help="and delete its files")
    command("status", "what runs").add_argument("--json", action="store_true")
    command("maintenance", "the site's read-only mode").add_argument("to", choices=("on", "off"))
    command("switch", "deploy what is live on the other database").add_argument(
        "to", choices=("postgresql", "sqlite")
    )
    again = command("restart", "restart the app on the database it uses")
    again.add_argument("--staging", action="store_true", help="the one for staging")
    command("postgres", "stop or start PostgreSQL, for practising faults").add_argument("to", choices=("on", "off"))
    fail = command("fail", "let the next deploy fail, for practising it")
    fail.add_argument("next", choices=("build", "pre_deploy", "health", "nothing"))
    build = command("build", "how long a deploy takes")
    build.add_argument("--seconds", type=float, default=0.0, help="a build takes so long, or longer")
    build.add_argument("--health", type=float, default=30.0, help="until a new instance must be well")
    broken = command("break", "let a share of the requests go wrong on the database now in use")
    broken.add_argument("what", choices=("errors",))
    broken.add_argument("--share", type=float, default=0.6, help="of the requests, 0 to 1")
    broken.add_argument("--database", choices=("postgresql", "sqlite"), help="only there; the one now in use")
    command("repair", "end what `break` began")
    command("ledger", "is every write that was acknowledged in the database now in use?").add_argument(
        "action", choices=("verify",)
    )
    return parser


def _run(given: argparse.Namespace) -> int:
    folder: Path = given.stage
    match given.command:
        case "up":
            return _up(given)
        case "serve":
            from rehearsal.supervisor import serve

            serve(folder, leashed=given.leashed)
            return 0
        case "down":
            end_stage(folder, remove=given.remove)
            print(f"the stage in {folder} is down")
            return 0
        case "status":
            return _status(folder, given.json)
        case "maintenance":
            from rehearsal.maintenance import turn_off, turn_on

            stage = load_stage(folder)
            print(turn_on(stage) if given.to == "on" else turn_off(stage))
            return 0
        case "ledger":
            return _verify(folder)
        case "break":
            from rehearsal.trouble import begin

            print(begin(load_stage(folder), given.share, given.database))
            return 0
        case "repair":
            from rehearsal.trouble import repair

            print(repair(load_stage(folder)))
            return 0
    words = {name: value for name, value in vars(given).items() if name in ORDERED}
    order = {"order": given.command} | words
    answer = ask(Layout(folder.resolve()), order)
    print(answer["text"], file=sys.stdout if answer["ok"] else sys.stderr)
    return 0 if answer["ok"] else 1


def _up(given: argparse.Namespace) -> int:
    began = time.monotonic()
    try:
        stage = set_stage(given.stage, users=given.users, visitors=given.visitors, rate=given.rate)
        print(f"the stage is up after {time.monotonic() - began:.1f} s: {stage.base_url}")
        print(f"its folder is {stage.folder}; Ctrl+C ends it", flush=True)
        while running(stage.folder):
            time.sleep(0.5)
    except KeyboardInterrupt:
        print("ending", flush=True)
    finally:
        end_stage(given.stage)
    return 0


def _status(folder: Path, as_json: bool) -> int:
    load_stage(folder)
    answer = ask(Layout(folder.resolve()), {"order": "status"})
    if as_json:
        print(json.dumps(answer, indent=2))
    else:
        health, visitors = answer["health"], answer["visitors"]
        for name, up in answer["running"].items():
            print(f"{name:10} {'running' if up else 'not running'}")
        print(f"database   {answer['database']}")
        print(f"deploy     {answer['deploy']['id']} {answer['deploy']['status']}")
        print(f"health     {health['status']} {health.get('problem', '')}".rstrip())
        print(f"maintenance {'on' if health.get('maintenance') else 'off'}")
        if visitors:
            print(f"visitors   {visitors['requests']} requests, {visitors['acknowledged']} writes acknowledged")
    return 0 if answer["health"]["status"] == "ok" else 1


def _verify(folder: Path) -> int:
    from sqlalchemy.exc import SQLAlchemyError

    from rehearsal.ledger import verify

    try:
        found = verify(load_stage(folder))
    except SQLAlchemyError as error:
        raise StageError(f"the database does not answer: {type(error).__name__}") from error
    print(f"{found.checked} acknowledged writes, {len(found.missing)} missing in {found.database}")
    for line in found.missing:
        print(f"  missing: {line}")
    if not found.checked:
        print("nothing was acknowledged, so nothing is proven")
    return 0 if found.checked and not found.missing else 1


if __name__ == "__main__":
    import signal

    def _terminated(*_: object) -> None:
        raise KeyboardInterrupt

    if "serve" not in sys.argv[1:2]:
        # Ctrl+C too: a shell starts a job in the background with it ignored.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _terminated)
    sys.exit(main())

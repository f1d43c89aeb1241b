"""The command `sessionplugin`: reads its arguments, calls one function, prints. All it refuses is one sentence."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it

try:
    import argparse
    import errno
    import json
    import os
    import re
    import shutil
    import signal
    import threading
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TYPE_CHECKING, Any, TextIO

    from pytest_sessionplugin import options
    from pytest_sessionplugin.errors import OptionError, ProjectError, SessionPluginError, cause_in_project
    from pytest_sessionplugin.mark import ISOLATIONS
except KeyboardInterrupt:  # whoever starts it and at once thinks better of it wants no traceback
    sys.exit(INTERRUPTED)

if TYPE_CHECKING:
    from pytest_sessionplugin.gateway.values import Api
    from pytest_sessionplugin.project import Project
    from pytest_sessionplugin.serve import Served

SUBJECT = "alice"
HOUR = 3600.0
HALF_A_DAY = 12 * HOUR
A_CENTURY = 100 * 365 * 24 * HOUR


def main(arguments: list[str] | None = None) -> int:
    try:
        asked = _parser().parse_args(arguments)
        return int(asked.run(asked) or 0)
    except (SessionPluginError, OSError) as error:
        if isinstance(error, ProjectError) and (cause := cause_in_project(error)):
            print(cause, file=sys.stderr)
        print(
            f"sessionplugin: {error.strerror if isinstance(error, OSError) and error.strerror else error}",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sessionplugin",
        description="Runs any Chalice app on this machine: HTTP and WebSocket, its DynamoDB tables in memory.",
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_token(commands)
    _add_connect(commands)
    return parser


class _Version(argparse.Action):
    """Looked up only when it is asked for, which costs as much as the rest of the parser."""

    def __init__(self, option_strings: list[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib import metadata

        try:
            version = metadata.version("pytest-sessionplugin")
        except metadata.PackageNotFoundError:  # a checkout, run as it is
            version = "not installed"
        print(f"sessionplugin {version}")
        parser.exit()


# --- serve


def _add_serve(commands: Any) -> None:
    serve = commands.add_parser(
        "serve",
        help="serve the app until Ctrl-C",
        description="Serves the app's routes, WebSocket handlers and schedules on loopback until Ctrl-C. Its tables "
        "are those of .chalice/resources.json, in memory; or in the DynamoDB that AWS_ENDPOINT_URL_DYNAMODB names.",
    )
    serve.add_argument("project", nargs="?", help="the folder with app.py and .chalice (default: this one)")
    serve.add_argument("--stage", help="the Chalice stage whose environment the app gets (default: dev)")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    serve.add_argument("--http-port", type=_port, default=8000, help="0 for a free one (default: %(default)s)")
    serve.add_argument("--websocket-port", type=_port, default=8001, help="0 for a free one (default: %(default)s)")
    serve.add_argument(
        "--isolation",
        choices=ISOLATIONS,
        default=ISOLATIONS[0],
        help="what has a copy of the app to itself: all functions together, or each, as on AWS (default: %(default)s)",
    )
    serve.add_argument(
        "--control-port",
        type=_port,
        metavar="N",
        help="lets tests move time and bring faults about there, over HTTP; 0 for a free one (default: none)",
    )
    serve.add_argument(
        "--json",
        action="store_true",
        help='when ready, print one line: {"http": …, "websocket": …, "token": …, "aws": …}',
    )
    serve.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        help="serve the app anew when its files change: WebSockets stay open, tables keep their rows, and what cannot "
        "be imported is shown while the app before it is still served (default: yes; no with --json, whose reader "
        "counts on one app, and with --isolation function)",
    )
    serve.set_defaults(run=_serve)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _serve(asked: argparse.Namespace) -> None:
    from pytest_sessionplugin.gateway.driver import NotQuiet
    from pytest_sessionplugin.open_files import allow_as_many_as_may_be
    from pytest_sessionplugin.serve import served

    project = _project(asked)
    allow_as_many_as_may_be()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    out, sys.stdout = sys.stdout, sys.stderr  # what the app prints is not mixed into what is announced
    try:
        with served(
            project,
            asked.host,
            asked.http_port,
            asked.websocket_port,
            asked.control_port,
            each_its_own=asked.isolation == "function",
            reloads=_reloads(asked),
        ) as up:
            announce = _announce_json if asked.json else _announce
            announce(project, up, out)
            if up.reload is not None:
                up.reload.until(stop)
            stop.wait()
    except NotQuiet as error:
        print(f"sessionplugin: {error}", file=sys.stderr)
    except OSError as error:
        if error.errno is None or (error.errno != errno.EADDRNOTAVAIL and error.errno >= 0):  # below: of names
            raise
        reason = "this machine has no such address; 127.0.0.1 is for itself alone, 0.0.0.0 for whoever reaches it."
        raise OptionError("host", asked.host, "--host", reason) from error
    finally:
        sys.stdout = out


def _reloads(asked: argparse.Namespace) -> bool:
    if asked.isolation == "function":
        if asked.reload:
            raise OptionError("isolation", "function", "--isolation", "copies of an app are not reloaded: --no-reload.")
        return False
    return not asked.json if asked.reload is None else bool(asked.reload)


def _announce_json(project: Project, up: Served, out: TextIO) -> None:
    token = up.tokens(SUBJECT, expires_in=HALF_A_DAY)
    said = {"http": up.http, "websocket": up.websocket, "token": token, "aws": up.credentials}
    if up.control is not None:
        said["control"] = up.control
    print(json.dumps(said), file=out, flush=True)


def _announce(project: Project, up: Served, out: TextIO) -> None:
    token = up.tokens(SUBJECT, expires_in=HALF_A_DAY)
    words = {"http": up.http, "websocket": up.websocket, "token": token, "sessionplugin": _command()}
    bold, plain = ("\033[1m", "\033[0m") if out.isatty() and "NO_COLOR" not in os.environ else ("", "")
    tables = f"tables at {up.dynamodb}" if up.dynamodb else "tables in memory"
    lines = [
        f"{bold}{project.name}{plain}, stage {project.stage}, {tables}. Ctrl-C stops it.",
        "",
        f"  {bold}HTTP{plain}       {up.http}",
        *([f"  {bold}WebSocket{plain}  {up.websocket}", *_connections(up)] if up.api.websocket else []),
        *([f"  {bold}Control{plain}    {up.control}"] if up.control else []),
        f"  {bold}Token{plain}      {token}",
        f"             of {SUBJECT}, for 12 hours; another one: {_command()} token SUBJECT",
        "",
        *(f"  {_filled(example, words)}" for example in project.examples or _examples(up.api)),
    ]
    print("\n".join(lines), file=out, flush=True)


def _connections(up: Served) -> list[str]:
    """Where SDKs of other processes post to a socket, and with which credentials."""
    url = up.websocket.replace("ws://", "http://", 1)
    variables = " ".join(f"{name}={value}" for name, value in up.credentials.items())
    return [f"             {url}/{up.api.stage} for @connections, with {variables}"]


def _examples(api: Api) -> list[str]:
    """Lines to paste that fit any app: one for a route, without parameters if possible, and one for a WebSocket."""
    examples = []
    for route in sorted(api.routes, key=lambda route: "{" in route.path):
        url = "{http}" + route.path.replace("{", "").replace("}", "")
        if route.methods & {"GET", "POST"}:
            post = "" if "GET" in route.methods else " -d '{}' -H 'Content-Type: application/json'"
            examples.append(f"curl {url}{post} -H 'Authorization: Bearer {{token}}'")
            break
    if api.websocket:
        examples.append("{sessionplugin} connect {websocket} --token {token}")
    return examples


def _filled(example: str, words: Mapping[str, str]) -> str:
    """The line with its placeholders replaced; other braces are JSON."""
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), example)


# --- token


def _add_token(commands: Any) -> None:
    token = commands.add_parser(
        "token",
        help="print a token that the served app accepts",
        description="Prints a token that the app accepts when `sessionplugin serve` runs it. They share the key in "
        ".chalice/local.key, which is made when it is first needed and is good for nothing but this checkout.",
    )
    token.add_argument("subject", metavar="SUBJECT", help="who the token is for")
    token.add_argument(
        "--expires-in",
        type=_seconds,
        default=HOUR,
        metavar="SECONDS",
        help="how long it is good (default: %(default)g)",
    )
    token.add_argument("--project", help="the folder with app.py and .chalice (default: this one)")
    token.set_defaults(run=_token, stage=None)


def _token(asked: argparse.Namespace) -> None:
    from pytest_sessionplugin.serve import tokens_of

    with tokens_of(_project(asked)) as tokens:
        print(tokens(asked.subject, expires_in=asked.expires_in))


# --- connect


def _add_connect(commands: Any) -> None:
    connect = commands.add_parser(
        "connect",
        help="talk to a WebSocket: each line you type is sent",
        description="Opens a WebSocket, sends each line of the input, and prints each frame that arrives.",
    )
    connect.add_argument("url", help="ws://…, with the query that the app wants")
    connect.add_argument("--token", help="is sent as Authorization: Bearer")
    connect.add_argument("--receive", type=_count, metavar="N", help="leave when so many frames have arrived")
    connect.set_defaults(run=_connect)


def _connect(asked: argparse.Namespace) -> None:
    from pytest_sessionplugin import targets

    if reason := targets.why_not("sockets"):
        raise SessionPluginError(reason)
    from pytest_sessionplugin.connect import talk

    talk(asked.url, asked.token, sys.stdin, sys.stdout, asked.receive)


# --- all


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of frames: 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < A_CENTURY:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds that is more than 0")
    return seconds


def _project(asked: argparse.Namespace) -> Project:
    from pytest_sessionplugin.project import Project

    given = {
        name: options.Setting(value, "command line")
        for name in ("project", "stage")
        if (value := getattr(asked, name)) is not None
    }
    here = Path.cwd()
    chosen = options.decide(given, os.environ, here, here)
    if chosen.project.source not in (options.TABLE, options.DEFAULT):  # its settings are its own, not this folder's
        chosen = options.decide({**given, "project": chosen.project}, os.environ, chosen.root, here)
    project = Project(chosen.root, chosen.stage.value, chosen.root if chosen.root != here else here)
    project.check_stage()
    return project


def _command() -> str:
    """What to type here for this command: its name if the shell finds it, else its path."""
    script = Path(sys.executable).with_name("sessionplugin")
    if not script.exists():
        return f"{sys.executable} -m pytest_sessionplugin"
    if shutil.which("sessionplugin") == str(script):
        return "sessionplugin"
    here = Path.cwd()
    return str(script.relative_to(here) if script.is_relative_to(here) else script)


if __name__ == "__main__":
    sys.exit(main())

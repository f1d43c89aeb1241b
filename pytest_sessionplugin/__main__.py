"""The command `sessionplugin`. Each subcommand reads its arguments and calls one function; errors are one sentence."""

from __future__ import annotations

import sys

BROKEN = 3  # the exit status of `connect` for a socket that did not end well
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it

try:
    import argparse
    import errno
    import os
    import signal
    from contextlib import redirect_stdout, suppress
    from pathlib import Path
    from typing import TYPE_CHECKING, Any, TextIO

    from pytest_sessionplugin import options
    from pytest_sessionplugin.errors import OptionError, ProjectError, SessionPluginError
    from pytest_sessionplugin.options import ISOLATIONS
    from pytest_sessionplugin.tracebacks import cause_in_project
except KeyboardInterrupt:  # Ctrl-C during the imports: no traceback
    sys.exit(INTERRUPTED)

if TYPE_CHECKING:
    from pytest_sessionplugin.app.project import Project

HOUR = 3600.0
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
    _add_contract(
        commands, "openapi", "OpenAPI", "its routes, path parameters, content types, authorizers and API keys"
    )
    _add_contract(commands, "asyncapi", "AsyncAPI", "WebSocket handlers")
    return parser


class _Version(argparse.Action):
    """Looks the version up only for --version: that costs as much as the rest of the parser."""

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
        "are those of .chalice/resources.json, in memory; or in the DynamoDB that AWS_ENDPOINT_URL_DYNAMODB names. "
        "`seed` in [tool.sessionplugin] names a Python file whose function seed() fills them, and the rest of AWS, "
        "before the app is imported.",
    )
    serve.add_argument("project", nargs="?", help="the folder with app.py and .chalice (default: this one)")
    serve.add_argument(
        "--stage", help="the Chalice stage whose environment the app gets (default: dev, or the only one)"
    )
    serve.add_argument(
        "--host", type=_host, default="127.0.0.1", help="the address to listen on (default: %(default)s)"
    )
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
        help="lets tests move time and start faults there, over HTTP; 0 for a free one (default: none)",
    )
    serve.add_argument(
        "--aws-port",
        type=_port,
        metavar="N",
        help="lets the AWS CLI and other processes use the app's AWS account there; 0 for a free one (default: none)",
    )
    serve.add_argument(
        "--json",
        action="store_true",
        help='when ready, print one line: {"http": …, "websocket": …, "token": …, "aws": …}',
    )
    serve.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        help="reload the app when its files change: WebSockets stay open and tables keep their rows; an app that "
        "cannot be imported is reported, and the old one stays (default: yes, but no with --json and with --isolation "
        "function)",
    )
    serve.add_argument(
        "--frames",
        action="store_true",
        help="print each frame of a WebSocket, below the line of its request or message",
    )
    serve.add_argument(
        "--quiet",
        action="store_true",
        help="print no line for each request, handshake and message (default: print them, but not with --json)",
    )
    serve.set_defaults(run=_serve)


def _host(text: str) -> str:
    if not text:  # to a socket this means all addresses of this machine
        raise argparse.ArgumentTypeError(
            "'' is not an address: 127.0.0.1 is for this machine, 0.0.0.0 for all others too"
        )
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def _serve(asked: argparse.Namespace) -> None:
    from pytest_sessionplugin.gateway.activity import NotQuiet
    from pytest_sessionplugin.serving.access_log import AccessLog
    from pytest_sessionplugin.serving.process import Stop, raise_open_file_limit
    from pytest_sessionplugin.serving.serve import Ports, as_json, for_people, served

    if asked.quiet and asked.frames:
        raise SessionPluginError("--quiet prints no frames: leave out --quiet or --frames.")
    project, here = _project(asked), Path.cwd()
    raise_open_file_limit()
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop.ask)
    out = sys.stdout
    log = AccessLog(frames=asked.frames) if asked.frames or not (asked.quiet or asked.json) else None
    ports = Ports(asked.host, asked.http_port, asked.websocket_port, asked.control_port, asked.aws_port)
    try:
        with (
            redirect_stdout(sys.stderr),  # output of the app is not mixed into the announcement
            served(project, ports, each_its_own=asked.isolation == "function", reloads=_reloads(asked), log=log) as up,
            suppress(KeyboardInterrupt),
        ):  # from here on Ctrl-C is not a failure
            said = as_json(up) if asked.json else for_people(project, up, here=here, coloured=_likes_colours(out))
            print(said, file=out, flush=True)
            if up.reload is not None:
                up.reload.until(stop)
            stop.wait()
    except NotQuiet as error:
        print(f"sessionplugin: {error}", file=sys.stderr)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _naming_the_option(error) from error
        if error.errno == errno.EACCES and error.filename is None:  # a port, since no file is named
            raise SessionPluginError(
                "this user may not listen there: take ports above 1023, or 0 for free ones."
            ) from error
        if error.errno is None or (
            error.errno != errno.EADDRNOTAVAIL and error.errno >= 0
        ):  # negative numbers are errors of name resolution
            raise
        reason = "this machine has no such address; 127.0.0.1 is for itself alone, 0.0.0.0 for all others too."
        raise OptionError("host", asked.host, "--host", reason) from error


PORT_OPTIONS = {
    "HTTP": "--http-port",
    "WebSocket": "--websocket-port",
    "the control port": "--control-port",
    "the AWS port": "--aws-port",
}


def _naming_the_option(error: OSError) -> Exception:
    """The error of a port in use as a sentence that says how to choose another one; any other error as it is."""
    from pytest_sessionplugin.gateway.server.server import PortInUse

    if not isinstance(error, PortInUse):
        return error
    return SessionPluginError(
        f"port {error.port} on {error.host} is in use, so {error.purpose} cannot be served there: stop what listens on "
        f"it, or choose another port, as {PORT_OPTIONS[error.purpose]} {error.port + 10}; 0 takes a free one."
    )


def _reloads(asked: argparse.Namespace) -> bool:
    if asked.isolation == "function":
        if asked.reload:
            raise OptionError("isolation", "function", "--isolation", "copies of an app are not reloaded: --no-reload.")
        return False
    return not asked.json if asked.reload is None else bool(asked.reload)


def _likes_colours(out: TextIO) -> bool:
    """no-color.org"""
    return out.isatty() and not os.environ.get("NO_COLOR")


# --- token


def _add_token(commands: Any) -> None:
    token = commands.add_parser(
        "token",
        help="print a token that the served app accepts",
        description="Prints a token that the app accepts when `sessionplugin serve` runs it. They share the key in "
        ".chalice/local/key, which is made when it is first needed and is good for nothing but this checkout.",
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
    from pytest_sessionplugin.serving.serve import tokens_of

    with tokens_of(_project(asked)) as tokens:
        print(tokens(asked.subject, expires_in=asked.expires_in))


# --- connect


def _add_connect(commands: Any) -> None:
    connect = commands.add_parser(
        "connect",
        help="talk to a WebSocket: each line you type is sent",
        description="Opens a WebSocket, sends each line of the input, and prints each frame that arrives. Ends when "
        "the socket is closed or the input has ended: a terminal's at once, with Ctrl-D; a pipe's or a file's when no "
        f"frame has arrived for --wait seconds. Exits with {BROKEN} if the socket broke, or was closed with another "
        "code than 1000 or 1001.",
    )
    connect.add_argument("url", help="ws://…, with the query that the app wants")
    credential = connect.add_mutually_exclusive_group()
    credential.add_argument("--token", help="is sent as Authorization: Bearer")
    credential.add_argument("--ticket", help="is sent in the query, as ?ticket=")
    connect.add_argument(
        "--receive", type=_count, metavar="N", help="leave when N frames have arrived; fewer are an error"
    )
    connect.add_argument(
        "--wait",
        type=_seconds,
        metavar="SECONDS",
        help="how long to wait for a frame when a pipe or file has ended (default: 1, or 10 with --receive)",
    )
    connect.set_defaults(run=_connect)


def _connect(asked: argparse.Namespace) -> int:
    from pytest_sessionplugin import options

    if reason := options.why_not("sockets"):
        raise SessionPluginError(reason)
    from pytest_sessionplugin.serving.connect import talk

    wait = asked.wait or (10 if asked.receive else 1)
    is_well = talk(asked.url, asked.token, sys.stdin, sys.stdout, asked.receive, ticket=asked.ticket, wait=wait)
    return 0 if is_well else BROKEN


# --- openapi, asyncapi


def _add_contract(commands: Any, kind: str, title: str, parts: str) -> None:
    contract = commands.add_parser(
        kind,
        help=f"write the {title} file of the app, or add to it what it lacks",
        description=f"Writes {title} with all that the app says of itself: {parts}, and docstrings. Whatever is in a "
        "file that exists stays as it is; what it lacks is added, and what is not in the app is told.",
    )
    contract.add_argument("project", nargs="?", help="the folder with app.py and .chalice (default: this one)")
    contract.add_argument("--stage", help="the Chalice stage whose environment the app gets (default: dev)")
    contract.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"the file, JSON if its name ends in .json, else YAML (default: `{kind}` in [tool.sessionplugin], else "
        f"contracts/{kind}.yaml in the project)",
    )
    contract.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if the file lacks something that the app has"
    )
    contract.set_defaults(run=_contract)


def _contract(asked: argparse.Namespace) -> int:
    from pytest_sessionplugin.serving.contracts import update

    project, here, kind = _project(asked), Path.cwd(), asked.command
    named = options.contract_path(project.settings, kind)
    path = here / asked.out if asked.out is not None else project.root / (named or f"contracts/{kind}.yaml")
    with redirect_stdout(sys.stderr):  # output of the app is not mixed into the report
        found = update(project, kind, path.resolve(), here)
    if not asked.check:
        found.write()
    print(found.told(is_written=not asked.check))
    if found.before is None and named is None and not asked.check:
        relative = os.path.relpath(path, project.root).replace(os.sep, "/")
        print(f'To hold the tests to it, put it into {options.TABLE}: {kind} = "{relative}"')
    return int(asked.check and not found.is_whole)


# --- all


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of frames: 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < A_CENTURY:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds greater than 0")
    return seconds


def _project(asked: argparse.Namespace) -> Project:
    from pytest_sessionplugin.app.project import Project

    given = {
        name: options.Setting(value, "command line")
        for name in ("project", "stage")
        if (value := getattr(asked, name)) is not None
    }
    here = Path.cwd()
    chosen = options.decide(given, os.environ, here, here)
    own = (here / str(options.read_table(here).get("project", "."))).resolve()
    if chosen.root == own:
        return Project(own, chosen.named_stage, here)
    # This folder's settings are those of another project.
    chosen = options.decide({**given, "project": chosen.project}, os.environ, chosen.root, here)
    return Project(chosen.root, chosen.named_stage)


if __name__ == "__main__":
    sys.exit(main())

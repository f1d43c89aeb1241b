"""What `serve` tells in the terminal, of itself and of what the app raises. Nothing of it goes to a client."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin import tracebacks
from pytest_sessionplugin.errors import GatewayWarning

if TYPE_CHECKING:
    from pytest_sessionplugin.app.project import Project
    from pytest_sessionplugin.gateway.values import Api, Invoke, RunFunction
    from pytest_sessionplugin.serving.serve import Served


BOLD, RED, GREEN = "1", "31", "32"
UNAUTHORIZED = "Unauthorized"
"""What an authorizer raises for a 401, letter by letter: no bug, but its answer."""


def tell(sentence: str) -> None:
    _write(f"sessionplugin: {sentence}\n")


def coloured(text: str, colour: str) -> str:
    """Only for a terminal whose owner likes colours (no-color.org)."""
    return f"\033[{colour}m{text}\033[0m" if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else text


def failed(what: str, error: BaseException, root: Path) -> None:
    _write(f"\n{coloured(f'{what} failed:', RED)}\n{tracebacks.shown(error, root)}\n")


def shown(functions: RunFunction, root: Path, authorizers: Collection[str]) -> RunFunction:
    """The same functions; the traceback of what they raise is shown. `authorizers` are those among them."""

    def run(invoke: Invoke) -> Any:
        try:
            return functions(invoke)
        except (Exception, SystemExit) as error:
            if invoke.function in authorizers and str(error) == UNAUTHORIZED:
                tell(f"{invoke.function} answers {UNAUTHORIZED}: 401.")
            else:
                failed(invoke.function, error, root)
            raise

    return run


def of_views(root: Path) -> Callable[[str, BaseException], None]:
    """For what views raise, of which Chalice itself makes a 500: no function fails."""
    return lambda request, error: failed(request, error, root)


@contextmanager
def warned_of() -> Iterator[list[str]]:
    """What is warned of in the block, as sentences; filled at its end."""
    facts: list[str] = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", GatewayWarning)
        yield facts
    for each in warned:
        said = each.message
        facts.append(f"{said.fact}." if isinstance(said, GatewayWarning) else str(said))


def _write(text: str) -> None:
    """At once, so that what two threads tell is not mixed."""
    sys.stderr.write(text)
    sys.stderr.flush()


SUBJECT = "alice"
HALF_A_DAY = 12 * 3600.0


def as_json(up: Served) -> str:
    """One line, for programs."""
    token = up.tokens(SUBJECT, expires_in=HALF_A_DAY)
    said = {"http": up.http, "websocket": up.websocket, "token": token, "aws": up.credentials}
    if up.control is not None:
        said["control"] = up.control
    return json.dumps(said)


def for_people(project: Project, up: Served, *, coloured: bool) -> str:
    token = up.tokens(SUBJECT, expires_in=HALF_A_DAY)
    words = {"http": up.http, "websocket": up.websocket, "token": token, "sessionplugin": _command()}
    bold, plain = ("\033[1m", "\033[0m") if coloured else ("", "")
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
        *(f"  {filled(example, words)}" for example in project.examples or examples(up.api)),
    ]
    return "\n".join(lines)


def _connections(up: Served) -> list[str]:
    """Where SDKs of other processes post to a socket, and with which credentials."""
    url = up.websocket.replace("ws://", "http://", 1)
    variables = " ".join(f"{name}={value}" for name, value in up.credentials.items())
    return [f"             {url}/{up.api.stage} for @connections, with {variables}"]


def examples(api: Api) -> list[str]:
    """Lines to paste that fit any app: one for a route, without parameters if possible, and one for a WebSocket."""
    found = []
    for route in sorted(api.routes, key=lambda route: "{" in route.path):
        url = "{http}" + route.path.replace("{", "").replace("}", "")
        if route.methods & {"GET", "POST"}:
            post = "" if "GET" in route.methods else " -d '{}' -H 'Content-Type: application/json'"
            found.append(f"curl {url}{post} -H 'Authorization: Bearer {{token}}'")
            break
    if api.websocket:
        found.append("{sessionplugin} connect {websocket} --token {token}")
    return found


def filled(example: str, words: Mapping[str, str]) -> str:
    """The line with its placeholders replaced; other braces are JSON."""
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), example)


def _command() -> str:
    """What to type here for this command: its name if the shell finds it, else its path."""
    script = Path(sys.executable).with_name("sessionplugin")
    if not script.exists():
        return f"{sys.executable} -m pytest_sessionplugin"
    if shutil.which("sessionplugin") == str(script):
        return "sessionplugin"
    here = Path.cwd()
    return str(script.relative_to(here) if script.is_relative_to(here) else script)

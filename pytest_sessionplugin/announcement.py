"""What `serve` says when an app is up: where it is, and lines to paste. It prints nothing."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sessionplugin.gateway.values import Api
    from pytest_sessionplugin.project import Project
    from pytest_sessionplugin.serve import Served

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

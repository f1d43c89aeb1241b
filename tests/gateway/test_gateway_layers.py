"""What the gateway may import: a rule of architecture is a test."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.sources import ROOT, imports, tree

GATEWAY = "pytest_sessionplugin.gateway."
FOLDER = ROOT / "pytest_sessionplugin" / "gateway"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))
PURE = {
    *("values", "api_keys", "authorizers", "census", "codings", "cognito", "connection", "core", "handshake", "iam"),
    *("management", "masks", "plain_http", "policies", "replies", "responses", "rest", "results", "shapes"),
    *("signature", "stalled", "upgrade", "invocations", "oldest", "rest_api", "websocket_api"),
}
WITHIN = (
    *("__future__", "base64", "binascii", "collections", "dataclasses", "datetime", "enum", "functools", "gzip"),
    *("hashlib", "hmac", "ipaddress", "json", "math", "re", "typing", "urllib.parse", "zlib"),
)
"""What the pure half may take anything from: nothing of it has a socket, a thread, chance, or any time but that of
CLOCKS. Whoever adds to it has looked."""
ALONE = {"http", "email.utils.parsedate_to_datetime"}  # with http.client and email.utils.localtime beside them
CLOCKS = {"now", "utcnow", "today"}  # of datetime; nothing else in the pure half may have these names
ON_SOCKETS = {"http_line", "remote_line", "server", "socket_line", "sockets", "switchboard", "websocket_line"}


def siblings(module: str, *, late: bool) -> set[str]:
    """Modules of the gateway that one imports when it is imported itself, or, if `late`, ever."""
    found = [one for one in imports(FOLDER / f"{module}.py") if not one.typed and (late or not one.late)]
    return {one.name.removeprefix(GATEWAY).split(".")[0] for one in found if one.name.startswith(GATEWAY)}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_the_rest_of_the_plugin_and_little_of_others(module: str) -> None:
    found = imports(FOLDER / f"{module}.py")
    assert all(one.name.startswith(GATEWAY) for one in found if one.top == "pytest_sessionplugin")
    allowed = {"h11", "websockets"} if module in ON_SOCKETS else set()
    assert {one.top for one in found} - sys.stdlib_module_names - {"pytest_sessionplugin"} <= allowed


@pytest.mark.parametrize("module", sorted(PURE))
def test_the_pure_half_is_pure(module: str) -> None:
    path = FOLDER / f"{module}.py"
    assert siblings(module, late=True) <= PURE
    found = {one.name for one in imports(path)} - ALONE
    assert {name for name in found if not f"{name}.".startswith((GATEWAY, *(f"{each}." for each in WITHIN)))} == set()
    nodes = list(ast.walk(tree(path)))
    assert not {node.attr for node in nodes if isinstance(node, ast.Attribute)} & CLOCKS
    assert not {node.id for node in nodes if isinstance(node, ast.Name)} & {"open", "input", "__import__"}


def test_what_needs_the_extra_is_loaded_only_when_it_is_used() -> None:
    reached, todo = set(), ["client"]
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            todo += siblings(module, late=False)
    assert len(reached) > 1
    assert not reached & ON_SOCKETS

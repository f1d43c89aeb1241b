"""Which file may import which: the layout of the repository, held against its sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import ROOT, imports, tree

PLUGIN = "pytest_sessionplugin"

# From top to bottom. An import points to a line further down, or, within a line, to a file further right.
TABLE = """
app
chalicelib: service context | auth tickets conversations messages history participants connections
chalicelib: presence sweeper delivery
chalicelib: keys storage session_rows event_rows connection_rows dynamodb sessions | settings items metrics frames
chalicelib: problems http cursors memory issuer | credentials events jsontext model members rates logs | errors

plugin __main__
harness: local deployed projects checks
serving: contracts serve reload access_log console process connect control aws_port loopback
account: account apps clock journal trace
children.startup: sitecustomize
children: listener starts
app: functions isolation skeleton description project config_json placeholders seed handlers modules
app: working_directory logging
lambdas: service threads functions event_sources schedules cron
tokens: bad deployed cognito tokens cooldown keys
options
contract: contract asyncapi openapi coverage schemas merge edits documents stack
aws.moto: emulator tables contents resources snapshots regions patches
aws: interceptor relay hook http_clients sleeps service_requests http_requests
aws: races waits faults calls subjects caller iam tables live_tables table_specs
aws: resources gateway_responses templates invoke_api responses wire endpoints environment
aws.dynamodb: operations partiql batches selects pages writes legacy control schemas shapes requests capacity streams
aws.dynamodb: store statements expressions updates conditions literals paths reserved_words ttl kinds values
gateway.client: gateway websocket inprocess sockets deployed connection httpx_transport requests_session
gateway.client: http response request patterns transport
gateway.server: server http_protocol websocket_protocol dispatcher workers
gateway: runtime activity
gateway.core: core rest websocket management authorizers cognito integration notes events connection routing sigv4
gateway.core: compression upgrade gateway_responses
gateway: values redaction
misuse tracebacks
notation errors
"""

OUTSIDE = {  # what else a file may import besides the standard library; a room stands for its files
    "app": {"chalice"},
    "chalicelib.auth": {"jwt"},
    "chalicelib.keys": {"botocore", "jwt"},
    "chalicelib.delivery": {"botocore", "types_boto3_apigatewaymanagementapi"},
    "chalicelib.dynamodb": {"botocore", "types_boto3_dynamodb"},
    "chalicelib.session_rows": {"botocore"},
    "chalicelib.event_rows": {"botocore"},
    "chalicelib.metrics": {"aws_lambda_powertools"},
    "chalicelib.logs": {"aws_lambda_powertools"},
    f"{PLUGIN}.plugin": {"chalice", "pytest"},
    f"{PLUGIN}.options": {"pytest"},
    f"{PLUGIN}.tracebacks": {"pytest"},
    f"{PLUGIN}.account": {"time_machine"},
    f"{PLUGIN}.serving": {"websockets"},
    f"{PLUGIN}.app": {"chalice"},
    f"{PLUGIN}.notation": {"yaml"},
    f"{PLUGIN}.contract.edits": {"yaml"},
    f"{PLUGIN}.contract.schemas": {"attrs", "jsonschema", "referencing"},
    f"{PLUGIN}.tokens": {"cryptography", "jwt"},
    f"{PLUGIN}.aws": {"boto3", "botocore", "types_boto3_dynamodb"},
    f"{PLUGIN}.aws.http_clients": {"httpcore"},
    f"{PLUGIN}.aws.moto": {"moto", "requests", "responses"},
    f"{PLUGIN}.aws.dynamodb": set(),
    f"{PLUGIN}.gateway.client": {"websockets"},
    f"{PLUGIN}.gateway.client.connection": {"h11"},
    f"{PLUGIN}.gateway.client.httpx_transport": {"anyio", "httpx"},
    f"{PLUGIN}.gateway.client.requests_session": {"requests", "urllib3"},
    f"{PLUGIN}.gateway.server": {"h11", "websockets"},
}

PURE = {  # of the standard library, what cannot act: no sockets, threads, randomness, nor a clock (but for CLOCKS)
    *(
        "__future__",
        "base64",
        "binascii",
        "collections",
        "dataclasses",
        "datetime",
        "difflib",
        "enum",
        "functools",
        "gzip",
    ),
    *("hashlib", "hmac", "ipaddress", "json", "math", "re", "types", "typing", "urllib.parse", "zlib"),
}
ALONE = {"http", "http.HTTPStatus", "email.utils.parsedate_to_datetime"}  # beside http.client and localtime
CLOCKS = {"now", "utcnow", "today"}


def _order() -> dict[str, int]:
    """Position of each file, by its dotted name; files between two bars are on one floor only in their order."""
    found: dict[str, int] = {}
    for line in filter(None, TABLE.splitlines()):
        room, _, files = line.rpartition(":")
        prefix = f"{room}." if room.startswith("chalicelib") else f"{PLUGIN}.{room}." if room else f"{PLUGIN}."
        for name in files.replace("|", " ").split():
            found[name if line == "app" else f"{prefix}{name}"] = len(found)
    return found


ORDER = _order()
FILES = {
    name: path
    for top in ("app.py", "chalicelib", PLUGIN)
    for path in ([ROOT / top] if top.endswith(".py") else sorted((ROOT / top).rglob("*.py")))
    if path.name != "__init__.py"
    for name in [".".join(path.relative_to(ROOT).with_suffix("").parts)]
}


def imported(name: str) -> Iterator[str]:
    """Files of the repository that a file imports, at its top, for types alone, or in a function."""
    for one in imports(FILES[name]):
        if one.top in {"app", "chalicelib", PLUGIN}:
            module = one.name if one.name in FILES else one.name.rpartition(".")[0]
            if module in FILES and module != name:
                yield module


def allowed(name: str) -> set[str]:
    rooms = [name.rsplit(".", cut)[0] for cut in range(name.count(".") + 1)]
    return set().union(*(OUTSIDE.get(room, set()) for room in rooms))


def test_the_table_has_each_file_and_no_other() -> None:
    assert set(ORDER) == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_only_what_stands_below_it(name: str) -> None:
    assert {one for one in imported(name) if ORDER[one] <= ORDER[name]} == set()


@pytest.mark.parametrize("name", FILES)
def test_a_file_knows_only_the_libraries_of_its_room(name: str) -> None:
    tops = {one.top for one in imports(FILES[name])} - sys.stdlib_module_names
    assert tops - {"app", "chalicelib", PLUGIN} <= allowed(name)


def test_the_service_and_the_plugin_do_not_know_each_other() -> None:
    crossing = {
        (name, one) for name in FILES for one in imported(name) if name.startswith(PLUGIN) is not one.startswith(PLUGIN)
    }
    assert crossing == set()


def test_nothing_of_the_repository_imports_the_packages_public_names() -> None:
    rooms = {name.rpartition(".")[0] for name in FILES}
    for name, path in FILES.items():
        mine = {one.name for one in imports(path) if one.top == PLUGIN}
        known = {one for one in mine if one in FILES or one in rooms or one.rpartition(".")[0] in FILES}
        assert mine == known, name


@pytest.mark.parametrize("path", sorted((ROOT / PLUGIN).rglob("__init__.py")), ids=str)
def test_a_package_itself_holds_no_code_but_the_public_names(path: Path) -> None:
    if path.parent.name != PLUGIN:
        assert [node for node in tree(path).body if not isinstance(node, ast.Expr)] == []


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(f"{PLUGIN}.gateway.core.")])
def test_the_core_is_pure(name: str) -> None:
    found = {one.name for one in imports(FILES[name]) if one.top != PLUGIN} - ALONE
    assert {one for one in found if not f"{one}.".startswith(tuple(f"{each}." for each in PURE))} == set()
    nodes = list(ast.walk(tree(FILES[name])))
    assert not {node.attr for node in nodes if isinstance(node, ast.Attribute)} & CLOCKS
    assert not {node.id for node in nodes if isinstance(node, ast.Name)} & {"open", "input", "__import__"}


def test_a_gateway_in_process_needs_no_extra() -> None:
    reached, todo = set(), [f"{PLUGIN}.gateway.client.gateway", f"{PLUGIN}.gateway.client.inprocess"]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            eager = {one.name for one in imports(FILES[name]) if not one.late and not one.typed}
            assert not {one.split(".")[0] for one in eager} & {"h11", "httpx", "requests", "websockets"}, name
            todo += [one for one in imported(name) if any(each.startswith(one) for each in eager)]
    assert len(reached) > 1


def _test_of(name: str) -> Path:
    room, _, file = name.removeprefix(f"{PLUGIN}.").rpartition(".")
    room = {"chalicelib": "service"}.get(room, room)
    if name == "app":
        room, file = "service", "app"
    return ROOT / "tests" / room.replace(".", "/") / f"test_{file.strip('_')}.py"


@pytest.mark.parametrize("name", FILES)
def test_each_file_has_a_test_of_its_name(name: str) -> None:
    text = _test_of(name).read_text(encoding="utf-8")
    assert "def test_" in text or "Contract)" in text  # which brings its tests along

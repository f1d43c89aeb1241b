"""Rules of wiring, held against the plugin's source: an object is finished when it is made."""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from pytest_sessionplugin.tokens.keys import PREFIX
from tests.sources import ROOT, tree

PLUGIN = ROOT / "pytest_sessionplugin"
FILES = {path.relative_to(PLUGIN).as_posix(): path for path in sorted(PLUGIN.rglob("*.py"))}
PATCHES = {
    *("aws/hook.py", "aws/http_clients.py", "aws/sleeps.py", "aws/moto/patches.py", "aws/moto/tables.py"),
    *("app/isolation.py", "app/logging.py", "account/clock.py", "tokens/cooldown.py"),
    "children/starts.py",
}
"""Files that change attributes of other people's modules, loggers and tables."""

SMALL, LARGE = 60, 500  # lines
REASONS = {
    "aws/dynamodb/reserved_words.py": "one list",
    "aws/dynamodb/streams.py": "the form of a record",
    "aws/dynamodb/ttl.py": "an agenda for the clock",
    "children/startup/sitecustomize.py": "runs in every child interpreter",
    "account/journal.py": "kept apart from the trace, which also renders gateways without one",
    "contract/stack.py": "kept apart from the files that it serves",
    "gateway/client/httpx_transport.py": "one class, loaded for it alone",
    "gateway/core/connection.py": "the states of a connection",
    "gateway/core/gateway_responses.py": "one table",
    "lambdas/functions.py": "faults around a function",
    "harness/checks.py": "leftovers, one for each switch",
    "tokens/cooldown.py": "the one place that knows PyJWT's time",
    "serving/process.py": "signals and limits of a process",
}


def attributes_of_others(path: Path) -> list[str]:
    """Targets of assignments such as `other.attribute`, with their lines."""
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
            text = ast.unparse(node)
            if text.split(".")[0] not in ("self", "cls") or text.count(".") > 1:
                found.append(f"{node.lineno}: {text}")
        elif isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node).endswith(("setattr", "__setattr__")):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("name", [name for name in FILES if name not in PATCHES])
def test_nothing_is_set_on_a_finished_object(name: str) -> None:
    found = attributes_of_others(FILES[name])
    if name == "plugin.py":  # pytest's reports and exit status are changed by assigning to them
        theirs = ("report.", "call.", "error.__", "session.exitstatus")
        found = [each for each in found if not each.partition(": ")[2].startswith(theirs)]
    assert found == []


@pytest.mark.parametrize("name", FILES)
def test_no_attribute_is_read_for_its_side_effect(name: str) -> None:
    bare = [node for node in ast.walk(tree(FILES[name])) if isinstance(node, ast.Expr)]
    assert [node.lineno for node in bare if isinstance(node.value, (ast.Attribute, ast.Subscript))] == []
    assigned = [node for node in ast.walk(tree(FILES[name])) if isinstance(node, ast.Assign)]
    assert [node.lineno for node in assigned if ast.unparse(node.targets[0]) == "_"] == []


@pytest.mark.parametrize("name", FILES)
def test_nobody_looks_into_the_dictionary_of_an_object(name: str) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    assert "__dict__" not in text


def test_a_type_name_means_one_thing() -> None:
    places = defaultdict(set)
    for name, path in FILES.items():
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].add(name)
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                alias = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
                if alias.lstrip("_")[:1].isupper() and not alias.isupper():
                    places[alias].add(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_plugins_files_are_few_and_its_root_is_small() -> None:
    files = [name for name in FILES if not name.endswith("__init__.py")]
    assert len(files) <= 155
    assert len([name for name in files if "/" not in name]) <= 7
    assert len([path for path in (ROOT / "chalicelib").glob("*.py") if path.stem != "__init__"]) <= 36


@pytest.mark.process
def test_no_key_of_a_checkout_is_in_the_repository() -> None:
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")  # noqa: S607
    files = [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    assert len(files) > 100
    begun = (PREFIX.encode(), b"-----BEGIN")
    assert [str(path) for path in files if path.read_bytes().startswith(begun)] == []


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith("__init__.py")])
def test_a_file_is_neither_a_scrap_nor_a_pile(name: str) -> None:
    lines = len(FILES[name].read_text(encoding="utf-8").splitlines())
    assert SMALL < lines <= LARGE or name in REASONS

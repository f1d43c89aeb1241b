"""A released contract is only ever widened: compared with the last tag, and on pairs that are planted here."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.documents import CONTRACTS, load
from tests.contracts.widening import broken
from tests.sources import ROOT


def git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(repository), *arguments], check=True, capture_output=True).stdout  # noqa: S607


def last_release(repository: Path) -> str | None:
    """The newest tag of this history that has contracts; None before the first."""
    for tag in git(repository, "tag", "--merged", "HEAD", "--sort=-creatordate").decode().split():
        if git(repository, "ls-tree", "--name-only", tag, "contracts/openapi.yaml"):
            return tag
    return None


def at(repository: Path, tag: str, folder: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(git(repository, "archive", tag, "contracts"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "contracts"


def test_the_contracts_take_what_the_last_release_took_and_say_what_it_said(tmp_path: Path) -> None:
    tag = last_release(ROOT)
    released = CONTRACTS if tag is None else at(ROOT, tag, tmp_path)  # nothing is released: compared with itself
    assert broken(released, CONTRACTS) == []


def edited(folder: Path, file: str, steps: str, value: Any) -> Path:
    """A copy of the contracts with one change: a value at a path of keys, or None to remove it."""
    copy = folder / "contracts"
    shutil.copytree(CONTRACTS, copy, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    path = copy / file
    document = deepcopy(load(CONTRACTS / file))
    node, (*above, last) = document, steps.split(" ")
    for step in above:
        node = node[step]
    if value is None:
        del node[last]
    else:
        node[last] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    return copy


SESSION, PATCH, ERROR = "schemas/session.json", "schemas/session-patch.json", "schemas/error.json"
CREATE = "paths /sessions post"
TEXT = {"type": "string"}
NARROWED: list[tuple[str, str, Any, str]] = [
    ("openapi.yaml", "paths /health get", None, "GET /health: is gone"),
    ("openapi.yaml", f"{CREATE} requestBody required", True, "a body must be there"),
    ("openapi.yaml", f"{CREATE} security", [], "security was"),
    ("openapi.yaml", f"{CREATE} responses 202", {"description": "x"}, "202: is new"),
    ("openapi.yaml", f"{CREATE} responses 201 headers ETag", {"schema": TEXT}, "ETag: must be there"),
    ("openapi.yaml", "components headers ETag schema", TEXT, "ETag: pattern was"),
    ("openapi.yaml", "components parameters IfMatch required", True, "If-Match: must be there"),
    ("openapi.yaml", "components parameters IfMatch schema", {"type": "string", "maxLength": 3}, "If-Match: maxLength"),
    ("openapi.yaml", "components parameters IfMatch name", "If", "If-Match: is gone"),
    ("openapi.yaml", "components responses NotOwner content", {"text/plain": {}}, "403: text/plain is new"),
    (PATCH, "properties status enum", ["active", "ended"], "body/status: 'paused' is new"),
    (PATCH, "properties title", None, "body/title: is not taken"),
    (PATCH, "required", ["status"], "body/status: must be there"),
    (PATCH, "properties title maxLength", 100, "body/title: maxLength"),
    ("schemas/new-session.json", "properties expiresIn minimum", 61, "body/expiresIn: minimum"),
    (
        "schemas/new-session.json",
        "properties expiresIn default",
        60,
        "body/expiresIn: stood for 86400, and stands for 60",
    ),
    (ERROR, "properties code", {"type": "integer"}, "error/code: integer is new"),
    ("openapi.yaml", "components headers CacheControl schema const", "no-cache", "Cache-Control: 'no-cache' is new"),
    (PATCH, "properties metadata additionalProperties", TEXT, "metadata: a schema of other fields is not compared"),
    (PATCH, "properties title minLength", 1, "body/title: minLength was 1, and is None"),
    (PATCH, "properties title not", {"const": "x"}, "body/title: not is not compared"),
    (SESSION, "properties status enum", ["active", "paused", "ended", "hidden"], "'hidden' is new"),
    (SESSION, "properties title type", ["string", "null", "integer"], "title: integer is new"),
    (SESSION, "properties version", {"type": "number"}, "version: minimum"),
    (SESSION, "required", ["sessionId"], "ownerId: must be there"),
    ("schemas/ping.json", "required", ["action", "id"], "ping/id: must be there"),
    ("schemas/ping.json", "properties action const", "pings", "'ping' is new"),
    ("schemas/pong.json", "properties seq type", "string", "pong/seq: string is new"),
    ("schemas/ack.json", "properties missed type", "string", "ack/missed: string is new"),
    ("schemas/ack.json", "anyOf", [{"required": ["sent"]}], "ack/missed: must be there"),
    ("schemas/frame-id.json", "type", "string", "id: integer is new"),
    ("asyncapi.yaml", "operations ping", None, "ping: is gone"),
    ("asyncapi.yaml", "channels session address", "/other", "has another address"),
    ("asyncapi.yaml", "channels session bindings ws query required", ["sessionId", "as"], "query/as: must be there"),
]
WIDENED: list[tuple[str, str, Any]] = [
    ("openapi.yaml", "paths /other", {"get": {"responses": {}, "security": []}}),
    ("openapi.yaml", f"{CREATE} responses 418", {"description": "x"}),
    ("openapi.yaml", f"{CREATE} responses 422", None),
    ("openapi.yaml", "components parameters IfMatch description", "x"),
    (PATCH, "properties colour", TEXT),
    (PATCH, "properties title maxLength", 300),
    (SESSION, "properties colour", TEXT),
    (SESSION, "properties title maxLength", 100),
    ("schemas/problem.json", "properties code enum", ["invalid_request", "a_new_one"]),
    (ERROR, "properties code enum", ["invalid_request", "a_new_one"]),
    ("schemas/hello.json", "properties more", {"type": "boolean"}),
    ("asyncapi.yaml", "operations failure", None),
    ("asyncapi.yaml", "channels session bindings ws query properties colour", TEXT),
    ("openapi.yaml", "info version", "2"),
]


@pytest.mark.parametrize(("file", "steps", "value", "reason"), NARROWED, ids=[f"{f} {s}" for f, s, _, _ in NARROWED])
def test_a_narrowed_contract_is_found(file: str, steps: str, value: Any, reason: str, tmp_path: Path) -> None:
    found = broken(CONTRACTS, edited(tmp_path, file, steps, value))
    assert any(reason in each for each in found), found


@pytest.mark.parametrize(("file", "steps", "value"), WIDENED, ids=[f"{f} {s}" for f, s, _ in WIDENED])
def test_a_widened_contract_is_good(file: str, steps: str, value: Any, tmp_path: Path) -> None:
    assert broken(CONTRACTS, edited(tmp_path, file, steps, value)) == []


def test_the_last_release_is_the_newest_tag_that_has_contracts(tmp_path: Path) -> None:
    who = [
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.com",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "tag.gpgsign=false",
    ]
    git(tmp_path, "init", "-q")
    git(tmp_path, *who, "commit", "-q", "--allow-empty", "-m", "before")
    git(tmp_path, "tag", "v1")
    assert last_release(tmp_path) is None
    shutil.copytree(CONTRACTS, tmp_path / "contracts", ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    git(tmp_path, "add", "contracts")
    git(tmp_path, *who, "commit", "-q", "-m", "with")
    git(tmp_path, "tag", "v2")
    git(tmp_path, *who, "commit", "-q", "--allow-empty", "-m", "after")
    assert last_release(tmp_path) == "v2"
    assert broken(at(tmp_path, "v2", tmp_path / "then"), CONTRACTS) == []

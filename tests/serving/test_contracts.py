"""The commands that write an app's contracts: its tests hold to them, and a merge loses nothing and tells all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests import forks
from tests.strangers import CHAT, PYPROJECT, REPOSITORY, Stranger, copy_project, write_project

pytestmark = pytest.mark.process

SETTINGS = '\n[tool.sessionplugin]\nopenapi = "contracts/openapi.yaml"\nasyncapi = "contracts/asyncapi.yaml"\n'

OF_CHAT = """contracts/openapi.yaml is new:
  + GET /rooms/{name}
  + POST /rooms/{name}
  + GET /bug
  + POST /push/{connection}
To hold the tests to it, put it into [tool.sessionplugin]: openapi = "contracts/openapi.yaml"
"""

OF_DEPOT = """
    import pytest

    KEY = {"x-api-key": "a-key"}
    PNG = {**KEY, "Content-Type": "image/png", "Accept": "application/octet-stream"}

    @pytest.mark.filterwarnings("ignore:.*an authorizer:UserWarning", "ignore::pytest_sessionplugin.AuthorizerNotRun")
    def test_every_route(chalice_gateway):
        clerk = chalice_gateway.http(headers={"Authorization": "carl"})
        assert chalice_gateway.get("/").headers["Access-Control-Allow-Credentials"] == "true"
        assert chalice_gateway.request("OPTIONS", "/").status_code == 200
        assert chalice_gateway.get("/parcels/1").json() == {"number": "1"}
        assert chalice_gateway.get("/parcels/2").status_code == 404
        assert chalice_gateway.post("/parcels", json={"number": 2}).json() == {"number": 2}
        assert chalice_gateway.get("/shelves/a/places/b").status_code == 401
        assert clerk.get("/shelves/a/places/b%20c").json()["shelf"] == "a"
        assert clerk.put("/shelves/a/places/b", json={}).status_code == 200
        assert clerk.delete("/shelves/a/places/b").status_code == 204
        assert chalice_gateway.post("/labels", content=b"\\x89PNG", headers=PNG).content == b"\\x89PNG"
        assert chalice_gateway.post("/labels", content=b"{}", headers=KEY).status_code == 415
        assert chalice_gateway.post("/labels").status_code == 403
        assert chalice_gateway.get("/audit").status_code == 403
        assert clerk.get("/visitors", headers=KEY).status_code == 401
        assert chalice_gateway.post("/gate", content=b"x", headers={"X-Door": "x"}).text == "open"
        assert chalice_gateway.request("OPTIONS", "/gate", headers={"X-Door": "x"}).text == "open"

    def test_talk(chalice_gateway):
        with chalice_gateway.websocket() as truck:
            truck.send_text("hello")
            assert truck.receive_text() == "HELLO"
"""


WITHOUT_EXTRA = """
import sys
sys.modules.update(jsonschema=None, referencing=None, h11=None, websockets=None)
from pytest_sessionplugin.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return forks.run([sys.executable, "-m", "pytest_sessionplugin", *arguments], cwd=cwd, timeout=30)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return write_project(tmp_path)


@pytest.fixture
def file(root: Path) -> Path:
    """The contract of the chat app."""
    assert run("openapi", cwd=root).stdout == OF_CHAT
    return root / "contracts" / "openapi.yaml"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_a_file_is_made_that_lacks_nothing(root: Path, file: Path) -> None:
    before = file.read_text()
    for check in ([], ["--check"]):
        again = run("openapi", *check, cwd=root)
        assert (again.returncode, again.stdout) == (0, "contracts/openapi.yaml has all that the app has.\n")
    assert file.read_text() == before


def test_a_merge_adds_lines_and_tells_what_is_gone(root: Path, file: Path) -> None:
    text = file.read_text().replace("    get:", "    # read by all\n    get: # cheap\n      tags: [rooms]", 1)
    file.write_text(text + "\n# the end\n")
    app = (root / "app.py").read_text()
    (root / "app.py").write_text(
        app.replace('methods=["GET", "POST"]', 'methods=["GET", "PUT"], api_key_required=True')
        + '\n\n@app.route("/new/{thing}")\ndef new(thing):\n    """New."""\n'
    )
    added = """
  + the security scheme api_key
  + GET /rooms/{name}: security by api_key
  + PUT /rooms/{name}
  + GET /new/{thing}
  - POST /rooms/{name}: in the file, not in the app
"""
    before = file.read_text()
    checked = run("openapi", "--check", cwd=root)
    assert (checked.returncode, checked.stdout) == (1, f"contracts/openapi.yaml lacks:{added}"), checked.stderr
    assert file.read_text() == before
    merged = run("openapi", cwd=root)
    assert (merged.returncode, merged.stdout) == (0, f"contracts/openapi.yaml is extended:{added}")
    lines = iter(file.read_text().splitlines())
    assert all(any(line == other for other in lines) for line in before.splitlines())
    found = read(file)
    assert list(found["paths"]["/rooms/{name}"]) == ["parameters", "get", "post", "put"]
    assert found["paths"]["/new/{thing}"]["get"]["summary"] == "New."
    assert run("openapi", "--check", cwd=root).returncode == 0


def test_it_needs_no_extra(root: Path, file: Path) -> None:
    file.write_text(file.read_text().partition("  /bug")[0])
    command = [sys.executable, "-c", WITHOUT_EXTRA, "openapi"]
    made = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert (made.returncode, made.stderr) == (0, "")
    assert "  + GET /bug\n" in made.stdout


@pytest.mark.parametrize("name", ["chat", "club", "depot"])
def test_the_validator_of_openapi_accepts_what_is_written_and_extended(tmp_path: Path, name: str) -> None:
    validator = pytest.importorskip("openapi_spec_validator").OpenAPIV31SpecValidator
    copy_project(name, tmp_path)
    written(tmp_path)
    path = tmp_path / "contracts" / "openapi.yaml"
    whole = read(path)
    assert list(validator(whole).iter_errors()) == []
    first = next(iter(whole["paths"]))
    path.write_text(yaml.safe_dump({**whole, "paths": {first: whole["paths"][first]}, "components": {}}))
    assert run("openapi", cwd=tmp_path).returncode == 0
    assert read(path)["paths"] == whole["paths"]
    assert list(validator(read(path)).iter_errors()) == []


def test_json_is_extended_with_its_indentation_and_a_missing_file_fails_the_check(root: Path) -> None:
    missing = run("openapi", "--check", "--out", "api/all.json", cwd=root)
    assert missing.returncode == 1
    assert missing.stdout.startswith("api/all.json does not exist:\n  + GET /rooms/{name}\n")
    assert not (root / "api").exists()
    assert run("openapi", "--out", "api/all.json", cwd=root).returncode == 0
    content = json.loads((root / "api" / "all.json").read_text())
    del content["paths"]["/rooms/{name}"]["post"]
    (root / "api" / "all.json").write_text(json.dumps(content, indent="\t"))
    assert "  + POST /rooms/{name}\n" in run("openapi", "--out", "api/all.json", cwd=root).stdout
    text = (root / "api" / "all.json").read_text()
    assert '\n\t\t\t"post": {' in text
    assert "post" in json.loads(text)["paths"]["/rooms/{name}"]


def test_the_file_is_that_of_the_settings_from_any_folder(root: Path, tmp_path: Path) -> None:
    (root / "pyproject.toml").write_text(f'[tool.sessionplugin]\nasyncapi = "ws.yaml"\n\n{PYPROJECT}')
    made = run("asyncapi", str(root), cwd=tmp_path.parent)
    assert made.stdout.endswith("ws.yaml is new:\n  + operation receive\n  + operation send\n"), made.stderr
    assert read(root / "ws.yaml")["asyncapi"] == "3.0.0"


@pytest.mark.parametrize(
    ("arguments", "file", "said"),
    [
        (["openapi"], "swagger: '2.0'", "contracts/openapi.yaml#: `openapi` must be a version 3.0 or 3.1"),
        (["openapi"], "openapi: [", "column 1: did not find expected node content"),
        (["openapi", "--out", "app.py/x"], "", "app.py/x: it cannot be written: File exists."),
        (["asyncapi", "--stage", "none"], "", "there is no stage none in"),
        (
            ["openapi"],
            "openapi: 3.1.0\npaths:\n  /a: &a {get: {summary: x, responses: {default: {}}}}\n  /rooms/{name}: *a\n",
            "it is an alias",
        ),
        (
            ["openapi"],
            "openapi: 3.1.0\npaths: &none {}\nx-more: *none\n",
            "contracts/openapi.yaml: it has YAML of a kind that cannot be extended. Add by hand: GET /rooms/{name}",
        ),
    ],
)
def test_a_file_that_cannot_be_extended_is_a_sentence_and_stays(
    root: Path, arguments: list[str], file: str, said: str
) -> None:
    path = root / "contracts" / "openapi.yaml"
    path.parent.mkdir()
    path.write_text(file) if file else None
    ended = run(*arguments, cwd=root)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.startswith("sessionplugin: ")
    assert not file or path.read_text() == file


def test_a_setting_that_is_not_a_path_is_a_sentence(root: Path) -> None:
    (root / "pyproject.toml").write_text(f'[tool.sessionplugin]\nopenapi = ["api.yaml"]\n\n{PYPROJECT}')
    ended = run("openapi", "--check", cwd=root)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "openapi = ['api.yaml'] ([tool.sessionplugin]): it must be the path of a file." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_check_tells_of_a_file_that_cannot_be_extended(root: Path) -> None:
    path = root / "contracts" / "openapi.yaml"
    path.parent.mkdir()
    path.write_text("openapi: 3.1.0\npaths: &none {}\nx-more: *none\n")
    checked = run("openapi", "--check", cwd=root)
    assert (checked.returncode, checked.stdout.partition("\n")[0]) == (1, "contracts/openapi.yaml lacks:")


def test_the_contracts_of_this_repository_have_all_that_its_app_has() -> None:
    for kind in ("openapi", "asyncapi"):
        checked = run(kind, "--check", cwd=REPOSITORY)
        assert (checked.returncode, checked.stdout) == (0, f"contracts/{kind}.yaml has all that the app has.\n")


def test_an_app_without_such_an_api_has_no_contract(root: Path) -> None:
    (root / "app.py").write_text("from chalice import Chalice\n\napp = Chalice('chat')\nprint('made')\n")
    for kind, lacks in (("openapi", "routes"), ("asyncapi", "WebSocket handlers")):
        ended = run(kind, cwd=root)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"the app has no {lacks}, so there is no contract" in ended.stderr
        assert "made" in ended.stderr  # output of the app
    path = root / "contracts" / "asyncapi.yaml"
    path.parent.mkdir()
    path.write_text("asyncapi: 3.0.0\nchannels: {a: {}}\noperations: {hear: {action: receive}}\n")
    ended = run("asyncapi", "--check", cwd=root)
    assert "  - operation hear: in the file, not in the app\n" in ended.stdout


# --- the tests of an app, held to its own skeletons


def written(root: Path) -> None:
    for kind in ("openapi", "asyncapi"):
        made = run(kind, cwd=root)
        assert made.returncode == 0, made.stderr


@pytest.mark.slow
def test_the_example_holds_to_its_skeletons_and_to_a_schema_that_somebody_adds(
    stranger: Stranger, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = pytester.path / "auction"
    ignored = shutil.ignore_patterns("__pycache__", "local")
    shutil.copytree(REPOSITORY / "examples" / "downstream", root, ignore=ignored)
    written(root)
    settings = root / "pyproject.toml"
    settings.write_text(settings.read_text().replace("\n[tool.sessionplugin]\n", SETTINGS))
    files = {kind: root / "contracts" / f"{kind}.yaml" for kind in ("openapi", "asyncapi")}
    monkeypatch.chdir(root)
    held = stranger.test("--sessionplugin-contract-report")
    assert held.ret == 0
    held.stdout.fnmatch_lines(["contracts/asyncapi.yaml: 2 of 2 messages seen", "contracts/openapi.yaml: 7 of 8 *"])
    # A person fills in two schemas, and takes one of them wrong.
    lot = {"type": "object", "required": ["lotId", "price"], "properties": {"price": {"type": "integer"}}}
    openapi, asyncapi = (read(path) for path in files.values())
    openapi["paths"]["/lots/{lot_id}"]["get"]["responses"]["2XX"]["content"] = {"application/json": {"schema": lot}}
    asyncapi["defaultContentType"] = "application/json"
    messages = asyncapi["channels"]["websocket"]["messages"]
    messages["received"]["contentType"] = "text/plain"
    messages["sent"]["payload"] = {"type": "object", "properties": {"type": {"enum": ["lot", "bid"]}}}
    for path, content in ((files["openapi"], openapi), (files["asyncapi"], asyncapi)):
        path.write_text(yaml.safe_dump(content))
    for kind in files:
        assert run(kind, "--check", cwd=root).returncode == 0
    off = stranger.test("tests/test_watching.py", "tests/test_lots.py")
    off.stdout.fnmatch_lines(
        ["off the contract: the app sent a frame, and it is not the message `sent` at /type: 'sold' is not one*"]
    )
    off.assert_outcomes(passed=33, errors=2)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_authorizers_keys_binary_bodies_and_blueprints_hold_to_their_skeleton(stranger: Stranger, target: str) -> None:
    for path in sorted((CHAT / ".chalice").iterdir()):
        (stranger.root / ".chalice" / path.name).unlink()
    copy_project("depot", stranger.root)
    written(stranger.root)
    settings = stranger.root / "pyproject.toml"
    settings.write_text(settings.read_text().replace("[tool.sessionplugin]\n", SETTINGS))
    held = stranger.test(f"--sessionplugin-target={target}", "--sessionplugin-contract-report", test_depot=OF_DEPOT)
    held.assert_outcomes(passed=2)
    held.stdout.fnmatch_lines(["contracts/openapi.yaml: 14 of 22 answers seen"])

"""An app that opens files from where it is runs wherever pytest was started, and pytest's own paths do not move."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.strangers import Stranger

BOTH = ["inprocess", "sockets"]

APP = """
import os, subprocess, sys, threading
from pathlib import Path
from boto3.session import Session
from chalice import Chalice

app = Chalice(app_name="WHO", configure_logs=False)
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = Session()
AT_IMPORT = Path("data/who.txt").read_text()

@app.route("/")
def index():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(Path("data/who.txt").read_text()))
    thread.start()
    thread.join()
    child = "print(open('data/who.txt').read(), end='')"
    seen.append(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
    from chalicelib import late
    return [AT_IMPORT, late.WHO, os.path.basename(os.getcwd()), *seen]

@app.route("/moves")
def moves():
    os.chdir("data")
    return Path("who.txt").read_text()

@app.lambda_function()
def work(event, context):
    return Path("data/who.txt").read_text()

@app.on_ws_message()
def message(event):
    app.websocket_api.send(event.connection_id, Path("data/who.txt").read_text())
"""


def write(root: Path, name: str) -> None:
    for folder in ("data", "chalicelib", ".chalice"):
        (root / folder).mkdir(parents=True)
    (root / "app.py").write_text(APP.replace('WHO"', f'{name}"'))
    (root / "data" / "who.txt").write_text(name)
    (root / "chalicelib" / "__init__.py").touch()
    (root / "chalicelib" / "late.py").write_text("from pathlib import Path\nWHO = Path('data/who.txt').read_text()\n")
    (root / ".chalice" / "config.json").write_text(json.dumps({"version": "2.0", "app_name": name}))


@pytest.fixture
def above(stranger: Stranger) -> Stranger:
    """pytest is started in a folder that holds two projects."""
    shutil.rmtree(stranger.root / ".chalice")
    (stranger.root / "app.py").unlink()
    write(stranger.root / "service", "service")
    write(stranger.root / "other", "other")
    settings = '[tool.sessionplugin]\nproject = "service"\n[tool.pytest.ini_options]\nfilterwarnings = ["error"]\n'
    (stranger.root / "pyproject.toml").write_text(settings)
    return stranger


@pytest.mark.parametrize("target", BOTH)
def test_an_app_is_imported_and_runs_in_its_project_s_folder(above: Stranger, target: str) -> None:
    body = """
        import os
        from concurrent.futures import ThreadPoolExecutor
        import pytest

        @pytest.fixture(autouse=True)
        def stays(request):
            yield
            assert os.getcwd() == str(request.config.rootpath)

        @pytest.mark.parametrize("time", ["first", "second"])
        def test_every_kind_of_function(chalice_gateway, request, time):
            assert chalice_gateway.http().get("/").json() == ["service"] * 5
            assert chalice_gateway.invoke("work") == "service"
            with chalice_gateway.websocket("/") as ws:
                ws.send_text("hi")
                assert ws.receive_text() == "service"
            assert os.getcwd() == str(request.config.rootpath)

        @pytest.mark.chalice(fresh=True)
        def test_an_app_of_its_own(chalice_gateway):
            assert chalice_gateway.http().get("/").json() == ["service"] * 5

        @pytest.mark.chalice(isolation="function")
        def test_functions_of_their_own(chalice_gateway):
            assert chalice_gateway.http().get("/").json() == ["service"] * 5
            assert chalice_gateway.invoke("work") == "service"

        def test_one_that_moves(chalice_gateway):
            for _ in range(2):
                assert chalice_gateway.http().get("/moves").text == "service"
                assert chalice_gateway.http().get("/").json()[0] == "service"

        def test_a_test_that_moves(chalice_gateway, monkeypatch, tmp_path):
            chalice_gateway.http().get("/")
            monkeypatch.chdir(tmp_path)
            assert chalice_gateway.http().get("/").json() == ["service"] * 5
            assert os.getcwd() == str(tmp_path)

        def test_threads_of_the_test(chalice_gateway):
            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(lambda n: chalice_gateway.http().get("/").json(), range(8)))
            assert answers == [["service"] * 5] * 8

        def test_two_projects(chalice_gateway):
            other = chalice_gateway.of("other")
            for _ in range(2):
                assert other.http().get("/").json() == ["other"] * 5
                assert chalice_gateway.http().get("/").json() == ["service"] * 5
    """
    result = above.test(f"--sessionplugin-target={target}", "--junitxml=out/report.xml", test_it=body)
    result.assert_outcomes(passed=8)
    assert (above.root / "out" / "report.xml").is_file()

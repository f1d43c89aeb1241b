"""Other clients than botocore in an app: presigned URLs, and hosts that a setting refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.strangers import PYPROJECT, Stranger

APP = """
import urllib.request
import boto3
import requests
from chalice import Chalice

app = Chalice(app_name="x")


@app.route("/upload")
def upload():
    return {"url": boto3.client("s3").generate_presigned_url("put_object", Params={"Bucket": "uploads", "Key": "a"})}


@app.route("/copy", methods=["POST"])
def copy():
    url = boto3.client("s3").generate_presigned_url("get_object", Params={"Bucket": "uploads", "Key": "a"})
    with urllib.request.urlopen(url) as original:
        return {"text": original.read().decode()}


@app.route("/partner")
def partner():
    try:
        return {"status": requests.get("http://192.0.2.1/", timeout=0.01).status_code}
    except requests.RequestException:
        return {"status": None}
"""


@pytest.fixture
def app(stranger: Stranger) -> Path:
    (stranger.root / "app.py").write_text(APP)
    return stranger.root


def test_a_presigned_url_is_used_by_a_client_and_by_the_app(stranger: Stranger, app: Path) -> None:
    body = """
        import boto3
        import httpx
        import pytest

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        def test_it(chalice_gateway, aws_calls):
            boto3.client("s3").create_bucket(Bucket="uploads")
            url = chalice_gateway.http().get("/upload").json()["url"]
            assert httpx.put(url, content=b"hello").status_code == 200
            assert chalice_gateway.http().post("/copy").json() == {"text": "hello"}
            assert [(call.function, str(call)) for call in aws_calls] == [
                (None, "s3:CreateBucket"), (None, "s3:PutObject"), ("api_handler", "s3:GetObject")
            ]
    """
    stranger.test(test_it=body).assert_outcomes(passed=2)


def test_a_setting_refuses_other_hosts_and_a_mark_allows_them(stranger: Stranger, app: Path) -> None:
    (app / "pyproject.toml").write_text(f"[tool.sessionplugin]\nother_hosts = false\n\n{PYPROJECT}")
    body = """
        import pytest

        def test_refused(chalice_gateway):
            chalice_gateway.http().get("/partner")

        @pytest.mark.chalice(allow="other_hosts")
        def test_allowed(chalice_gateway):
            assert chalice_gateway.http().get("/partner").json() == {"status": None}
    """
    run = stranger.test(test_it=body)
    run.assert_outcomes(passed=2, errors=1)  # the app gets an answer of 500
    run.stdout.fnmatch_lines(["*no connection to 192.0.2.1: other_hosts = false in [[]tool.sessionplugin[]]*"])


@pytest.mark.process
def test_the_setting_holds_in_child_processes(stranger: Stranger, app: Path) -> None:
    (app / "pyproject.toml").write_text(f"[tool.sessionplugin]\nother_hosts = false\n\n{PYPROJECT}")
    body = """
        import subprocess
        import sys
        import pytest

        @pytest.mark.chalice(allow="blocked_calls")
        def test_it(aws_calls):
            code = "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=0.01)"
            child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            assert "BlockedConnection: no connection to 192.0.2.1: other_hosts = false" in child.stderr
    """
    stranger.test(test_it=body).assert_outcomes(passed=1)

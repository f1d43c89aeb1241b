"""Importing the app only defines it, as `chalice package` needs; a cold start in Lambda imports the rest ahead."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.processes import ROOT
from tests.service.test_settings import COMPLETE

pytestmark = pytest.mark.process

OURS = {"app", "chalice", "chalicelib"}
HEAVY = {  # of the standard library: each takes milliseconds, and an app is defined without them
    "asyncio",
    "concurrent.futures",
    "ctypes",
    "email",
    "http.client",
    "importlib.metadata",
    "multiprocessing",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "unittest",
    "urllib.request",
    "xml",
    "zoneinfo",
}

IMPORT = """
import json, sys
before = set(sys.modules)
def told(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system")):
        raise SystemExit(f"importing app did {event} {arguments}")
sys.addaudithook(told)
import app
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def imported(**environment: str) -> set[str]:
    """The modules that importing the app adds to a fresh process."""
    run = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30
    )
    assert (run.returncode, run.stderr) == (0, "")
    return set(json.loads(run.stdout))


def test_importing_the_app_needs_no_setting_calls_nothing_and_imports_nothing_heavy() -> None:
    found = imported()
    packages = {name.partition(".")[0] for name in found} - sys.stdlib_module_names
    assert packages == OURS
    assert found & HEAVY == set()


COLD_START = """
import json, os, sys
def told(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system"}:
        raise SystemExit(f"a cold start did {event} {arguments}")
sys.addaudithook(told)
import app
from chalicelib.errors import SessionsError
def packages():
    return {name.partition(".")[0] for name in sys.modules}
prepared = packages()
os.environ.update(json.loads(sys.argv[1]))
app.service()
try:
    app.authenticate(app.credentials.bearer(f"Bearer {sys.argv[2]}"))
except SessionsError as refusal:
    print(json.dumps({"prepared": sorted(prepared), "since": sorted(packages() - prepared), "refusal": refusal.code}))
"""


def test_lambda_imports_all_that_a_first_request_needs_before_it_and_calls_nothing() -> None:
    run = subprocess.run(
        [sys.executable, "-c", COLD_START, json.dumps(COMPLETE), "no.token.really"],
        cwd=ROOT,
        env={"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (run.returncode, run.stderr) == (0, "")
    found = json.loads(run.stdout)
    assert {"aws_lambda_powertools", "botocore", "jwt"} <= set(found["prepared"])
    assert "boto3" not in found["prepared"]
    assert set(found["since"]) <= sys.stdlib_module_names
    assert found["refusal"] == "unauthenticated"


BUG = """
import app
def fail(text):
    raise ValueError(text)
try:
    fail("-".join(["what", "somebody", "sent"]))
except ValueError:
    app.app.log.exception("as Chalice does")
"""


def test_what_chalice_logs_by_itself_is_a_line_of_ours_too() -> None:
    run = subprocess.run(
        [sys.executable, "-c", BUG],
        cwd=ROOT,
        env={"AWS_LAMBDA_FUNCTION_NAME": "sessions-dev"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (run.returncode, run.stderr) == (0, "")
    line = json.loads(run.stdout)
    assert (line["message"], line["exception_name"]) == ("as Chalice does", "ValueError")
    assert "what-somebody-sent" not in run.stdout

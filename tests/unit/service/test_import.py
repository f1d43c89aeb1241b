"""What importing the app does: nothing but defining it. `chalice package` does so on machines without secrets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
OURS = {"app", "chalice", "chalicelib"}
HEAVY = {  # of the standard library, which take milliseconds each: none is needed to define an app
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
    """The modules that an import of the app brings into a fresh process."""
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

"""Tests of the integration suite as one process: with the plugin's fixtures, and with the usual ones.

The time of a process that only imports the same modules is subtracted from each.
"""

from __future__ import annotations

import subprocess
import sys

from bench.figures import Effort, Figure, in_turns, milliseconds
from tests.processes import ROOT

RUNS = 5
EIGHT = [
    *(
        f"TestHTTPSessionLifecycle::{name}"
        for name in (
            "test_create_and_retrieve_session",
            "test_get_nonexistent_session_returns_404",
            "test_delete_session_marks_as_ended",
            "test_update_session_status",
        )
    ),
    *(
        f"TestJWTAuthentication::{name}"
        for name in (
            "test_request_without_token_fails",
            "test_request_with_valid_token_succeeds",
            "test_update_with_wrong_user_returns_403",
            "test_delete_with_wrong_user_returns_403",
        )
    ),
]
OURS = [f"tests/service/test_http_websocket_integration.py::{name}" for name in EIGHT]
USUAL = [f"bench/usual/test_usual.py::{name}" for name in EIGHT]


def measure(effort: Effort) -> Figure:
    count = effort.of(len(EIGHT))
    own, rival = OURS[:count], USUAL[:count]
    imported, imported_usually = imports_of(own), imports_of(rival)
    ours, our_imports, usual, usual_imports = in_turns(
        effort.of(RUNS),
        lambda: milliseconds(lambda: run_tests(own)),
        lambda: milliseconds(lambda: run_imports(imported)),
        lambda: milliseconds(lambda: run_tests(rival)),
        lambda: milliseconds(lambda: run_imports(imported_usually)),
    )
    mine, theirs = ours - our_imports, usual - usual_imports
    return Figure(
        f"{count} tests as one process, without the imports",
        f"{mine:.0f} ms",
        f"usual fixtures {theirs:.0f} ms",
        "at most 0.65 of it",
        mine <= 0.65 * theirs,
    )


REPORT_IMPORTS = """
import sys, pytest
status = pytest.main(sys.argv[1:])
ours = {"__main__", "bench", "conftest", "tests", *sys.stdlib_module_names}
found = [name for name, module in sys.modules.items() if getattr(module, "__file__", None) and module.__spec__]
print("\\n" + " ".join(name for name in found if all(part.isidentifier() for part in name.split("."))
                 and name.split(".")[0] not in ours))
sys.exit(status)
"""


def run_tests(tests: list[str]) -> None:
    python("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)


def run_imports(modules: list[str]) -> None:
    python("-c", "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]", *modules)


def imports_of(tests: list[str]) -> list[str]:
    """The modules of libraries and of the project that a run of these tests imports."""
    said = python("-c", REPORT_IMPORTS, *("-q", "-p", "no:cacheprovider", *tests))
    return said.strip().splitlines()[-1].split()


def python(*arguments: str) -> str:
    run = subprocess.run(  # noqa: S603  our own commands
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    if run.returncode:
        raise SystemExit(f"bench: {' '.join(arguments)[:200]} failed\n{run.stdout[-2000:]}{run.stderr[-2000:]}")
    return run.stdout

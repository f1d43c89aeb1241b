"""What importing the app does: nothing but defining it. `chalice package` does so on machines without secrets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = ("aws_lambda_powertools", "boto3", "botocore", "jwt", "cryptography", "urllib3", "pytest")

IMPORT = f"""
import sys
def told(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system")):
        raise SystemExit(f"importing app did {{event}} {{arguments}}")
sys.addaudithook(told)
import app
print(*sorted({{name.split(".")[0] for name in sys.modules}} & set({HEAVY})))
"""


def test_importing_the_app_needs_no_setting_calls_nothing_and_imports_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", IMPORT], cwd=ROOT, env={}, capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "", "")

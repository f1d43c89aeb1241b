"""Checks templates with cfn-lint, before anything is uploaded. Asks AWS nothing.

https://github.com/aws-cloudformation/cfn-lint
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from deployment.errors import DeploymentError

ERROR: Final = "Error"
"""The level of a finding that CloudFormation would refuse; the others that cfn-lint tells by itself are warnings."""


def check(templates: Mapping[str, Mapping[str, Any]], say: Callable[[str], None]) -> None:
    """Passes the warnings about the templates, by name, to `say`. Raises DeploymentError if there are errors.

    All templates are checked in one run: cfn-lint takes seconds to start.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / f"{name}.json" for name in templates]
        for file, template in zip(files, templates.values(), strict=True):
            file.write_text(json.dumps(template), encoding="utf-8")
        command = [
            sys.executable,
            "-c",
            "from cfnlint.runner import main; main()",
            "--format",
            "json",
            *map(str, files),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        raise DeploymentError(f"cfn-lint could not run: {done.stderr.strip() or done.stdout.strip()}") from error
    errors = [_told(finding) for finding in found if finding["Level"] == ERROR]
    for finding in found:
        if finding["Level"] != ERROR:
            say(_told(finding))
    if errors:
        raise DeploymentError("CloudFormation would refuse the template. " + " ".join(errors))


def _told(finding: Mapping[str, Any]) -> str:
    """Template, path in it, rule and message."""
    place = ".".join(str(part) for part in finding["Location"]["Path"] or ())
    return f"{Path(finding['Filename']).stem} {place}: {finding['Rule']['Id']} {finding['Message'].rstrip('.')}."

"""The start of an interpreter with the variable, and what it leaves to others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_sessionplugin.children.starts import ACCOUNT, FOLDER

pytestmark = pytest.mark.process

SENTENCE = "the process that started this one cannot listen."
CALL = "import boto3; boto3.client('dynamodb', 'eu-west-1').list_tables()"


def python(
    code: str, variables: Mapping[str, str] | None = None, *flags: str, path: str = FOLDER
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    environment = {**kept, **keys, "PYTHONPATH": path, **(variables or {})}
    return subprocess.run(
        [sys.executable, *flags, "-c", code], env=environment, text=True, capture_output=True, timeout=60
    )


def test_calls_of_aws_go_to_the_account() -> None:
    ended = python(CALL, {ACCOUNT: SENTENCE})
    assert ended.stderr.splitlines()[-1].endswith(f"BlockedCall: dynamodb:ListTables was blocked: {SENTENCE}")


def test_it_loads_little_and_nothing_of_aws() -> None:
    ended = python("import sys; print([name for name in sys.modules if 'sessionplugin' in name])", {ACCOUNT: SENTENCE})
    assert ended.stdout.strip() == str(
        ["pytest_sessionplugin", "pytest_sessionplugin.children", "pytest_sessionplugin.children.starts"]
    )


def test_the_first_http_client_loads_the_rest() -> None:
    ended = python(
        "import sys, http.client; print('pytest_sessionplugin.aws.relay' in sys.modules)", {ACCOUNT: SENTENCE}
    )
    assert (ended.stdout, ended.stderr) == ("True\n", "")


def test_without_the_variable_it_does_nothing() -> None:
    ended = python("import sys; print([name for name in sys.modules if 'sessionplugin' in name], sys.meta_path[0])")
    assert ended.stdout.startswith("[]")
    assert "_OnHttp" not in ended.stdout


@pytest.mark.parametrize("variables", [{}, {ACCOUNT: SENTENCE}])
def test_another_sitecustomize_runs_as_well(tmp_path: Path, variables: Mapping[str, str]) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('the next one')\n")
    code = "import sys, sitecustomize; print(sitecustomize.__file__, [p for p in sys.path if 'startup' in p])"
    ended = python(code, variables, path=os.pathsep.join([FOLDER, str(tmp_path)]))
    assert ended.stdout.splitlines() == ["the next one", f"{tmp_path / 'sitecustomize.py'} []"]


def test_an_error_of_the_next_one_is_shown_as_ever(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import no_such_module\n")
    ended = python("print('goes on')", {ACCOUNT: SENTENCE}, path=os.pathsep.join([FOLDER, str(tmp_path)]))
    assert ended.stdout == "goes on\n"
    assert "No module named 'no_such_module'" in ended.stderr


def test_the_plugin_need_not_be_on_the_path_of_the_child(tmp_path: Path) -> None:
    """As in an interpreter of another environment."""
    import boto3
    import botocore

    for package in (boto3, botocore):
        (tmp_path / package.__name__).symlink_to(Path(str(package.__file__)).parent)
    for name in ("dateutil", "jmespath", "urllib3", "s3transfer", "six.py"):
        (tmp_path / name).symlink_to(Path(str(boto3.__file__)).parents[1] / name)
    code = f"import sys; sys.path[:] = [{str(tmp_path)!r}, *(path for path in sys.path if 'site-packages' not in path)]"
    ended = python(f"{code}; {CALL}", {ACCOUNT: SENTENCE})
    assert ended.stderr.splitlines()[-1].endswith(f"BlockedCall: dynamodb:ListTables was blocked: {SENTENCE}")

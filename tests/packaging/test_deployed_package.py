"""The package that `make package` builds and a deploy uploads: its size and contents, and what it needs besides."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from chalice.config import Config

from deployment import dependencies, runtimes
from pytest_sessionplugin.tokens.keys import local_key
from tests.deployment.checkouts import commit, git
from tests.packaging.conftest import REPOSITORY, copy_of_the_checkout

LIMIT = 8_000_000  # bytes, zipped: a cold start fetches it
MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}  # in ELF
NEVER = {"boto3", "botocore", "s3transfer", "moto", "pytest", "pytest_sessionplugin", "tests", "bench", "urllib3"} | {
    "contracts",
    "jsonschema",
}


@dataclasses.dataclass(frozen=True)
class Built:
    """A package, and the commit of which it was built."""

    folder: Path
    version: str

    @property
    def code(self) -> Path:
        return self.folder / "deployment.zip"


def build(folder: Path, architecture: str) -> Built:
    """The package of a used checkout, with the locked packages from the index."""
    checkout = copy_of_the_checkout(folder / "checkout")
    change(checkout / ".chalice" / "config.json", lambda config: config.update(lambda_architecture=architecture))
    change(checkout / ".chalice" / "operations.json", lambda stages: stages["dev"].update(runtime=runtimes.INTERPRETER))
    git(checkout, "init", "--quiet")
    version = commit(checkout)[:12]
    local_key(checkout, "HS256")
    command = [sys.executable, "-m", "deployment", "--project", str(checkout), "package"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    run = subprocess.run(
        [*command, "--stage", "dev", "--out", str(folder / "build")],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert version in run.stdout
    return Built(folder / "build", version)


def change(path: Path, how: Callable[[Any], None]) -> None:
    """Changes a JSON file in place."""
    document = json.loads(path.read_text())
    how(document)
    path.write_text(json.dumps(document))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("deployed"), "x86_64")


@pytest.fixture(scope="module")
def package(built: Built) -> Path:
    """The zip of the functions."""
    return built.code


@pytest.fixture(scope="module")
def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as opened:
        return opened.namelist()


def test_a_pipeline_gets_template_and_code_without_an_account_or_a_region(built: Built) -> None:
    assert sorted(path.name for path in built.folder.iterdir()) == ["deployment.zip", "template.json"]
    resources = json.loads((built.folder / "template.json").read_text())["Resources"].values()
    functions = [one["Properties"] for one in resources if one["Type"] == "AWS::Serverless::Function"]
    assert [built.folder / function["CodeUri"] for function in functions] == [built.code] * 5
    assert {one["Environment"]["Variables"]["VERSION"] for one in functions} == {built.version}


def test_it_is_small(package: Path) -> None:
    assert package.stat().st_size < LIMIT


def test_it_holds_the_service_and_what_that_requires_and_nothing_that_lambda_has(names: list[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {"app.py", "chalice", "chalicelib", "jwt", "cryptography"} <= tops
    assert tops & NEVER == set()
    assert [name for name in names if "local/key" in name or name.startswith(".chalice")] == []
    assert {f"chalicelib/{path.name}" for path in (REPOSITORY / "chalicelib").glob("*.py")} <= set(names)


@pytest.mark.parametrize("architecture", list(MACHINES))
def test_what_is_compiled_in_it_is_for_the_python_and_the_machine_that_are_deployed_for(
    built: Built, tmp_path: Path, architecture: str
) -> None:
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    assert Config.create().lambda_python_version == f"python{sys.version_info.major}.{sys.version_info.minor}"
    code = built.code if architecture == "x86_64" else build(tmp_path, architecture).code
    with zipfile.ZipFile(code) as opened:
        libraries = {name: opened.read(name)[:20] for name in opened.namelist() if name.endswith(".so")}
    assert libraries
    for name, header in libraries.items():
        assert f".cpython-{version}-" in name or ".abi3." in name, name
        assert header.startswith(b"\x7fELF"), name
        assert int.from_bytes(header[18:20], "little") == MACHINES[architecture], name


def test_it_has_the_versions_of_the_lock_and_no_trace_of_where_they_were_installed(names: list[str]) -> None:
    information = {name.split("/")[0].removesuffix(".dist-info") for name in names if ".dist-info/" in name}
    locked = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pins = {line.split()[0].replace("==", "-").replace("-", "_") for line in locked if line[:1].isalpha()}
    assert {one.replace("-", "_") for one in information} == pins
    assert [name for name in names if name.endswith((".pyc", *dependencies.OF_THE_MACHINE)) or name[:4] == "bin/"] == []


@pytest.mark.parametrize("initialization", ["", "on-demand"])
def test_it_imports_with_only_botocore_beside_it(package: Path, tmp_path: Path, initialization: str) -> None:
    task, runtime = tmp_path / "task", tmp_path / "runtime"
    with zipfile.ZipFile(package) as opened:
        opened.extractall(task)
    for name in ("botocore", "jmespath", "python-dateutil", "urllib3", "six"):
        link(distribution(name), runtime)
    variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": initialization} if initialization else {}
    code = f"import sys; sys.path += {[str(task), str(runtime)]}; import app; app.prepare(); print(app.__file__)"
    run = subprocess.run(
        [sys.executable, "-S", "-B", "-c", code],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, str(task / "app.py"), "")


def link(found: Distribution, folder: Path) -> None:
    """Links the packages and modules of an installed distribution into a folder."""
    folder.mkdir(exist_ok=True)
    for top in {file.parts[0] for file in found.files or [] if file.suffix == ".py"} - {".."}:
        (folder / top).symlink_to(Path(str(found.locate_file(top))))

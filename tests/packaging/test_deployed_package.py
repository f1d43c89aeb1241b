"""The package that Chalice deploys: its size and contents, and that it needs only botocore besides."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from chalice.config import Config

from tests.packaging.chalice_package import deployment_zip
from tests.packaging.conftest import REPOSITORY, copy_of_the_checkout

LIMIT = 8_000_000  # bytes, zipped: it is uploaded once for each function
X86_64 = 0x3E  # ELF machine numbers
NEVER = {"boto3", "botocore", "s3transfer", "moto", "pytest", "pytest_sessionplugin", "tests", "bench", "urllib3"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip that `chalice package` makes of a used checkout, with current packages from the index."""
    checkout = copy_of_the_checkout(tmp_path_factory.mktemp("deployed") / "checkout")
    (checkout / ".chalice" / "local.key").write_text("local-" + "k" * 64)
    return deployment_zip(checkout)


@pytest.fixture(scope="module")
def names(package: Path) -> list[str]:
    with zipfile.ZipFile(package) as opened:
        return opened.namelist()


def test_it_is_small(package: Path) -> None:
    assert package.stat().st_size < LIMIT


def test_it_holds_the_service_and_what_that_requires_and_nothing_that_lambda_has(names: list[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {"app.py", "chalice", "chalicelib", "jwt", "cryptography"} <= tops
    assert tops & NEVER == set()
    assert [name for name in names if "local.key" in name or name.startswith(".chalice")] == []
    assert {f"chalicelib/{path.name}" for path in (REPOSITORY / "chalicelib").glob("*.py")} <= set(names)


def test_what_is_compiled_in_it_is_for_the_python_and_the_machine_that_are_deployed_for(package: Path) -> None:
    """Chalice deploys for the Python it runs under, and for x86-64 by default."""
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    assert Config.create().lambda_python_version == f"python{sys.version_info.major}.{sys.version_info.minor}"
    with zipfile.ZipFile(package) as opened:
        names = opened.namelist()
        libraries = {name: opened.read(name)[:20] for name in names if name.endswith(".so")}
    assert [name for name in names if name.endswith(".pyc") and f"cpython-{version}" not in name] == []
    assert libraries
    for name, header in libraries.items():
        assert f".cpython-{version}-" in name or ".abi3." in name, name
        assert header.startswith(b"\x7fELF"), name
        assert int.from_bytes(header[18:20], "little") == X86_64, name


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

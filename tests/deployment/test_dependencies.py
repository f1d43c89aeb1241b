"""Locked dependencies, installed by pip from folders of small wheels, without a package index."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import pytest

from deployment import dependencies
from deployment.errors import DeploymentError
from tests.deployment.wheels import Shelf, offline
from tests.sources import ROOT

MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """pip finds packages on it and nowhere else."""
    return offline(Shelf(tmp_path), monkeypatch)


def installed(shelf: Shelf, into: Path, architecture: str, runtime: str = "python3.11") -> dict[str, str]:
    """The files that are installed, with their texts."""
    dependencies.install(shelf.lock, into, runtime=runtime, architecture=architecture, say=lambda line: None)
    return {str(path.relative_to(into)): path.read_text() for path in into.rglob("*") if path.is_file()}


@pytest.fixture(params=list(MACHINES))
def architecture(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


pytestmark = pytest.mark.process


def test_the_wheels_are_those_of_lambda_and_not_of_this_machine(
    shelf: Shelf, architecture: str, tmp_path: Path
) -> None:
    for machine in MACHINES.values():
        shelf.wheel("native", f"cp311-cp311-manylinux2014_{machine}")
        shelf.wheel("stable", f"cp310-abi3-manylinux_2_17_{machine}")
    shelf.wheel("pure", "py3-none-any")
    found = installed(shelf, tmp_path / "vendor", architecture)
    machine = MACHINES[architecture]
    assert found["native.py"] == f"TAGS = 'cp311-cp311-manylinux2014_{machine}'\n"
    assert found["stable.py"] == f"TAGS = 'cp310-abi3-manylinux_2_17_{machine}'\n"
    assert found["pure.py"] == "TAGS = 'py3-none-any'\n"


def test_runtimes_on_amazon_linux_2023_take_wheels_of_a_newer_glibc(
    shelf: Shelf, architecture: str, tmp_path: Path
) -> None:
    shelf.wheel("native", f"cp312-cp312-manylinux_2_28_{MACHINES[architecture]}")
    assert "native.py" in installed(shelf, tmp_path / "vendor", architecture, "python3.12")


def test_python_3_11_takes_no_wheel_that_needs_a_newer_glibc_than_amazon_linux_2(
    shelf: Shelf, architecture: str, tmp_path: Path
) -> None:
    shelf.wheel("native", f"cp311-cp311-manylinux_2_28_{MACHINES[architecture]}")
    with pytest.raises(DeploymentError, match=f"for python3.11 on {architecture}: .*native==1.0"):
        installed(shelf, tmp_path / "vendor", architecture)


def test_a_wheel_whose_hash_is_not_the_locks_is_refused_by_name(
    shelf: Shelf, architecture: str, tmp_path: Path
) -> None:
    shelf.wheel("pure", "py3-none-any")
    wheel = shelf.wheel("native", f"cp311-cp311-manylinux2014_{MACHINES[architecture]}")
    with zipfile.ZipFile(wheel, "a") as opened:
        opened.writestr("added_by_others.py", "")
    with pytest.raises(DeploymentError, match=r"DO NOT MATCH THE HASHES.* native==1\.0") as refused:
        installed(shelf, tmp_path / "vendor", architecture)
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() in str(refused.value)
    assert "pure" not in str(refused.value)
    assert not (tmp_path / "vendor" / "native.py").exists()


def test_a_package_that_the_lock_has_no_hash_for_is_refused_by_name(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("pure", "py3-none-any")
    shelf.lock.write_text("pure==1.0\n")
    with pytest.raises(DeploymentError, match=r"Hashes are required.* pure==1\.0"):
        installed(shelf, tmp_path / "vendor", "x86_64")


def test_a_package_that_needs_one_that_is_not_locked_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("needed", "py3-none-any")
    shelf = Shelf(tmp_path)  # with another lock
    metadata = "Metadata-Version: 2.1\nName: pure\nVersion: 1.0\nRequires-Dist: needed\n"
    shelf.wheel("pure", "py3-none-any", **{"INFORMATION/METADATA": metadata})
    with pytest.raises(DeploymentError, match="needed"):
        installed(shelf, tmp_path / "vendor", "x86_64")


def test_nothing_is_built_from_source(shelf: Shelf, tmp_path: Path) -> None:
    archive = shelf.folder / "native-1.0.tar.gz"
    archive.write_bytes(b"")
    shelf.lock.write_text(f"native==1.0 --hash=sha256:{hashlib.sha256(b'').hexdigest()}\n")
    with pytest.raises(DeploymentError, match=r"No matching distribution found for native==1\.0"):
        installed(shelf, tmp_path / "vendor", "x86_64")


def test_two_installations_are_alike_and_name_neither_pip_nor_the_interpreter(shelf: Shelf, tmp_path: Path) -> None:
    command = {"INFORMATION/entry_points.txt": "[console_scripts]\npure = pure:main\n"}
    shelf.wheel("pure", "py3-none-any", **command, **{"pure-1.0.data/scripts/other": "#!python\n"})
    first, second = (installed(shelf, tmp_path / name, "x86_64") for name in ("first", "second"))
    assert first == second
    assert {Path(path).name for path in first} == {"pure.py", "METADATA", "WHEEL", "entry_points.txt"}


def test_the_output_of_pip_is_passed_on(shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("pure", "py3-none-any")
    said: list[str] = []
    dependencies.install(shelf.lock, tmp_path / "vendor", runtime="python3.11", architecture="x86_64", say=said.append)
    assert "Successfully installed pure-1.0" in said


def test_the_files_of_the_project_agree() -> None:
    assert list(dependencies.disagreements(ROOT)) == []


HASH = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("wanted", "locked", "pinned", "said"),
    [
        ("a>=2", f"a==1.9 {HASH}", "a==1.9", "a>=2 of requirements.in"),
        ("a\nb[extra]>=1", f"a==1.0 {HASH}", "a==1.0", r"b\[extra\]>=1 of requirements.in"),
        ("a", f"a==1.0 {HASH}", "a==1.1", "requirements.txt has other versions"),
        ("a", f"a==1.0 {HASH}\nb==1.0 {HASH}", "a==1.0", "requirements.txt has other versions"),
        ("a", f"a==1.0 ; python_version < '3.13' {HASH}", "a==1.0", "requirements.txt has other versions"),
        ("a", "a==1.0", "a==1.0", "a in requirements.lock has no exact version, or no hash"),
        ("a", f"a>=1.0 {HASH}", "a>=1.0", "a in requirements.lock has no exact version, or no hash"),
    ],
)
def test_files_that_do_not_agree_are_told(tmp_path: Path, wanted: str, locked: str, pinned: str, said: str) -> None:
    (tmp_path / "requirements.in").write_text(f"# wanted\n{wanted}\n")
    (tmp_path / "requirements.lock").write_text(locked.replace(" --hash", " \\\n    --hash") + "\n    # via a\n")
    (tmp_path / "requirements.txt").write_text(pinned)
    [told] = dependencies.disagreements(tmp_path)
    assert re.search(said, told)
    assert told.endswith("make lock.")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"requirements\.in"):
        list(dependencies.disagreements(tmp_path))

"""The wheel's contents and requirements. A deployed service contains nothing of it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.chalice_package import deployment_zip
from tests.packaging.conftest import REPOSITORY


def test_the_wheel_holds_the_plugin_and_nothing_else(wheel: Path) -> None:
    sources = (REPOSITORY / "pytest_sessionplugin").rglob("*.py")
    expected = {path.relative_to(REPOSITORY).as_posix() for path in sources} | {"pytest_sessionplugin/py.typed"}
    assert {name for name in names_in(wheel) if ".dist-info/" not in name} == expected


def test_pytest_and_the_shell_find_the_plugin(distribution: Distribution) -> None:
    assert {(found.group, found.name, found.value) for found in distribution.entry_points} == {
        ("pytest11", "sessionplugin", "pytest_sessionplugin.plugin"),
        ("console_scripts", "sessionplugin", "pytest_sessionplugin.__main__:main"),
    }


def test_the_pythons_that_are_tested_are_named(distribution: Distribution) -> None:
    classifiers = distribution.metadata.get_all("Classifier", [])
    named = {found[1] for one in classifiers if (found := re.fullmatch(r"Programming Language .* (3\.\d+)", one))}
    assert named == {"3.11", "3.12", "3.13"}
    assert distribution.metadata["Requires-Python"] == ">=3.11"


def test_a_package_index_shows_an_example_and_no_link_that_is_dead_there(distribution: Distribution) -> None:
    shown = str(distribution.metadata.json["description"])
    assert distribution.metadata["Description-Content-Type"] == "text/markdown"
    assert "def test_a_message_to_somebody_who_has_left(chalice_gateway" in shown
    links = re.findall(r"\]\(([^)]+)\)", shown)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_what_has_to_be_installed_is_little(distribution: Distribution) -> None:
    hard = {canonicalize_name(one.name) for one in asked_by(distribution) if "extra" not in str(one.marker)}
    assert hard <= {"boto3", "chalice", "moto", "pyjwt", "pytest", "pyyaml"}


def test_each_lower_bound_is_a_version_that_make_lowest_tests(distribution: Distribution) -> None:
    pins = versions(read(REPOSITORY / "requirements-lowest.txt"), "==")
    asked = asked_by(distribution)
    bounds = versions(asked, ">=")
    assert {name for name, _ in bounds} == {canonicalize_name(one.name) for one in asked}
    assert bounds <= pins


def test_a_deployed_service_has_nothing_of_the_plugin(checkout: Path) -> None:
    """`chalice package` takes the app, chalicelib, vendor, its own runtime, and the packages of requirements.txt."""
    requirements = checkout / "requirements.txt"
    assert "pytest-sessionplugin" not in {canonicalize_name(one.name) for one in read(requirements)}
    requirements.write_text("")  # so that pip fetches nothing
    deployed = names_in(deployment_zip(checkout))
    assert {name.partition("/")[0] for name in deployed} == {"app.py", "chalicelib", "chalice"}


def names_in(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        return set(opened.namelist())


def read(path: Path) -> list[Requirement]:
    return [Requirement(line) for line in path.read_text().splitlines() if line and not line.startswith("#")]


def asked_by(distribution: Distribution) -> list[Requirement]:
    return [Requirement(line) for line in distribution.requires or []]


def versions(requirements: Iterable[Requirement], operator: str) -> set[tuple[str, Version]]:
    """Name and version of a requirement with this operator."""
    return {
        (canonicalize_name(one.name), Version(part.version))
        for one in requirements
        for part in one.specifier
        if part.operator == operator
    }

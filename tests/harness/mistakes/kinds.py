"""A mistake of people who use the plugin for the first time, with the parts of the report that it must lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.strangers import PROJECTS

CLUB = PROJECTS / "club"
PYPROJECT = (CLUB / "pyproject.toml").read_text()

# Beginnings of several tests.
ALICE = 'alice = chalice_gateway.http(token=jwt_tokens("alice"))\n'
OPEN = "with chalice_gateway.websocket() as ws:\n"
GATEWAY_AND_TOKENS = "chalice_gateway, jwt_tokens"


@dataclass(frozen=True)
class InTest:
    """A mistake in the body of a test, whose last line is the place unless another text is."""

    name: str
    fixtures: str
    body: str
    cause: str
    advice: str
    place: str = ""
    before: str = ""  # the test: marks and fixtures

    @property
    def wrong_line(self) -> str:
        return self.body.splitlines()[-1].strip()

    def source(self) -> str:
        body = "\n".join(f"    {line}" for line in self.body.splitlines())
        before = f"{self.before}\n" if self.before and not self.before.endswith(" ") else self.before
        return f"{before}def test_{self.name}({self.fixtures}):\n{body}\n"


@dataclass(frozen=True)
class InProject:
    """A mistake in a file of a project: the files that differ from those of the club. None: there is no such file."""

    name: str
    files: Mapping[str, str | None]
    cause: str
    place: str
    advice: str
    fixture: str = "chalice_gateway"
    overridden: str = ""  # fixtures of its conftest.py


@dataclass(frozen=True)
class InSettings:
    """A mistake in the settings of a run of pytest, or in the arguments of the command if that is named."""

    name: str
    cause: str
    place: str
    advice: str
    arguments: tuple[str, ...] = ()
    pyproject: str = PYPROJECT
    variables: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()  # packages that are not installed
    command: bool = False
    test: str = ""  # the file of tests
    code: int = pytest.ExitCode.USAGE_ERROR

"""The page of operations: its tables and its shell commands, and a shell that runs these as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.processes import ROOT

PAGE: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCK: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SHELL_SECONDS: Final = 300


def section(heading: str) -> str:
    """The text below a heading of the second level."""
    found = re.split(r"^## ", PAGE.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    assert found, f"the page has no section {heading}"
    return found


def rows(heading: str) -> Iterator[list[str]]:
    """Cells of the tables below a heading, without the names of columns."""
    for line in re.findall(r"^\|(?!---)(.*)\|$(?!\n\|---)", section(heading), re.MULTILINE):
        yield [cell.strip() for cell in line.split("|")]


def named(heading: str) -> Iterator[str]:
    """Names in the first cells of the tables below a heading."""
    for cells in rows(heading):
        yield from re.findall(r"`([\w-]+)`", cells[0])


def blocks(heading: str, language: str = "sh") -> list[str]:
    """The blocks of a language below a heading, those of list items as well."""
    found = BLOCK.findall(section(heading))
    return [textwrap.dedent(text) for _, kind, text in found if kind == language]


def inline(heading: str) -> list[str]:
    """The code within the sentences below a heading."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", section(heading)))


class Shell:
    """Runs commands of the page in bash, with the AWS CLI. `arguments` are those of all processes that it started."""

    def __init__(self, folder: Path, aws: Mapping[str, str]) -> None:
        self._log = folder / "arguments"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            **aws,
            "PATH": os.pathsep.join([str(folder), os.environ["PATH"]]),
        }
        programs = {"aws": Path(sys.executable).with_name("aws"), "python3": Path(sys.executable)}
        for name, program in programs.items():
            _record(folder / name, program, self._log)

    def run(self, *texts: str) -> str:
        """Runs these as if they were pasted one after the other; returns the output. Stops at the first failure."""
        command = [shutil.which("bash") or "bash", "-c", "\n".join(["set -eo pipefail", *texts])]
        ran = subprocess.run(
            command, env=self._environment, cwd=ROOT, capture_output=True, text=True, timeout=SHELL_SECONDS
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    @property
    def arguments(self) -> str:
        return self._log.read_text(encoding="utf-8")


def _record(path: Path, program: Path, log: Path) -> None:
    path.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {program} "$@"\n', encoding="utf-8")
    path.chmod(0o700)

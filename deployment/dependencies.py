"""Installs the locked dependencies of the functions for Lambda's platform. pip checks each file's hash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from deployment.errors import DeploymentError

MACHINES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
"""Lambda's architectures, as wheels name them."""
NEWEST_GLIBC: Final = {"python3.11": 26}
"""Minor version of glibc 2 where it is that of Amazon Linux 2; the later runtimes run on Amazon Linux 2023.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
https://docs.aws.amazon.com/linux/al2023/ug/glibc-gcc-and-binutils.html
"""
GLIBC: Final = 34
OLDEST_GLIBC: Final = 17
"""The glibc of manylinux2014: https://peps.python.org/pep-0600/"""
OF_THE_MACHINE: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""Files of an installed package that tell where and how pip installed it."""


def install(lock: Path, into: Path, *, runtime: str, architecture: str, say: Callable[[str], None]) -> None:
    """Installs the packages of `lock` into the folder `into`, whatever the machine.

    Passes pip's output to `say`, line by line. Raises DeploymentError, with pip's own words, if a file has another
    hash than the lock says, if a package needs one that the lock lacks, or if the platform has no wheel.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar=off",
    ]
    command += ["--require-hashes", "--only-binary=:all:", "--no-compile", "--target", str(into)]
    command += ["--implementation", "cp", "--python-version", runtime.removeprefix("python")]
    command += [part for platform in platforms(runtime, architecture) for part in ("--platform", platform)]
    process = subprocess.Popen(  # noqa: S603
        [*command, "--requirement", str(lock)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = []
    with process:
        for line in process.stdout or ():
            lines.append(line.strip())
            say(lines[-1])
    if process.returncode:
        raise DeploymentError(
            f"The packages of {lock.name} cannot be installed for {runtime} on {architecture}: {_reason(lines)}"
        )
    _strip(into)


def platforms(runtime: str, architecture: str) -> list[str]:
    """Platform tags of the wheels that a function can load, the preferred first.

    pip takes each as it is written, older versions of glibc not included.
    """
    machine = MACHINES[architecture]
    newest = NEWEST_GLIBC.get(runtime, GLIBC)
    numbered = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, OLDEST_GLIBC - 1, -1)]
    return [*numbered, f"manylinux2014_{machine}"]


def disagreements(root: Path) -> Iterator[str]:
    """Sentences about what `requirements.in`, `.lock` and `.txt` of the project at `root` do not agree on.

    Raises DeploymentError if one cannot be read.
    """
    wanted, locked, pinned = (_read(root / f"requirements.{kind}") for kind in ("in", "lock", "txt"))
    for name, line in locked.items():
        if not line.exact or not line.hashes:
            yield f"{name} in requirements.lock has no exact version, or no hash: make lock."
    for name, line in wanted.items():
        if name not in locked or not locked[name].satisfies(line):
            yield f"{line.requirement} of requirements.in is not in requirements.lock: make lock."
    if {str(one.requirement) for one in locked.values()} != {str(one.requirement) for one in pinned.values()}:
        yield "requirements.txt has other versions than requirements.lock: make lock."


@dataclass(frozen=True)
class _Line:
    """A line of a requirements file."""

    requirement: Requirement
    hashes: int

    @property
    def exact(self) -> bool:
        return [one.operator for one in self.requirement.specifier] == ["=="]

    def satisfies(self, wanted: _Line) -> bool:
        """Whether a locked version is one of the wanted ones."""
        return all(wanted.requirement.specifier.contains(one.version) for one in self.requirement.specifier)


def _read(path: Path) -> dict[str, _Line]:
    """The requirements by normalized name."""
    try:
        text = path.read_text(encoding="utf-8").replace("\\\n", "")
        lines = [line.partition("#")[0].split(" --hash=") for line in text.splitlines()]
        found = [_Line(Requirement(first), len(hashes)) for first, *hashes in lines if first.strip()]
    except (OSError, InvalidRequirement) as error:
        raise DeploymentError(f"{path} cannot be read: {error}.") from error
    return {canonicalize_name(one.requirement.name): one for one in found}


def _reason(lines: list[str]) -> str:
    """pip's output from its first error on, without the lock's own hashes, of which a package may have fifty."""
    first = next((number for number, line in enumerate(lines) if line.startswith("ERROR")), 0)
    return " ".join(line for line in lines[first:] if line and not line.startswith("Expected "))


def _strip(folder: Path) -> None:
    """Removes what differs between two machines: records of the installation, and commands with their interpreter."""
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for information in folder.glob("*.dist-info"):
        for name in OF_THE_MACHINE:
            (information / name).unlink(missing_ok=True)

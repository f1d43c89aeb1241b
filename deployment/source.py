"""Exports the source of a deployment from git, so that a package holds a commit and nothing that lies around."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployment.errors import DeploymentError

ELSEWHERE: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")
"""Variables by which git would look at another checkout; a hook is given them."""
DIRTY: Final = "-dirty-"
"""The mark of a dirty version, between the commit and the tree."""


@dataclass(frozen=True)
class Source:
    """A clean export: `folder` holds the project's files. `version` names the commit."""

    folder: Path
    version: str
    dirty: bool  # whether the checkout differs from its commit


def export(root: Path, into: Path) -> Source:
    """Exports the project at `root`, which may be a folder of its checkout, to the empty folder `into`.

    A dirty checkout is exported as it is: tracked and new files, without ignored ones. The index and the objects of
    the checkout stay as they are. Raises DeploymentError outside a checkout, and before its first commit.
    """
    with tempfile.TemporaryDirectory() as scratch:
        git = _Git(root, Path(scratch))
        git.run("read-tree", "HEAD")
        git.run("add", "--all", ".")
        commit = git.run("rev-parse", "HEAD")
        tree = git.run("rev-parse", git.run("write-tree") + ":./")
        dirty = tree != git.run("rev-parse", "HEAD:./")
        git.check_out(tree, into)
    version = shortened(commit)
    return Source(into, f"{version}{DIRTY}{tree[:7]}" if dirty else version, dirty)


def shortened(commit: str) -> str:
    """The version of a commit. That of a dirty checkout stays as it is."""
    return commit if "-" in commit else commit[:12]


class _Git:
    """Commands of git in the checkout, with an index and new objects in `scratch`."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self._root = root
        self._environ = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
        self._folder = self.run("rev-parse", "--absolute-git-dir")
        objects = self.run("rev-parse", "--path-format=absolute", "--git-path", "objects")
        self._environ |= {
            "GIT_INDEX_FILE": str(scratch / "index"),
            "GIT_OBJECT_DIRECTORY": str(scratch),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        }

    def run(self, *arguments: str) -> str:
        return self._output(self._root, arguments, self._environ)

    def check_out(self, tree: str, into: Path) -> None:
        """Writes the files of a tree, with line ends as committed, whatever the settings of this machine."""
        into.mkdir(parents=True, exist_ok=True)
        environ = {**self._environ, "GIT_DIR": self._folder, "GIT_WORK_TREE": str(into)}
        self._output(into, ("read-tree", tree), environ)
        self._output(into, ("-c", "core.autocrlf=false", "checkout-index", "--all"), environ)

    @staticmethod
    def _output(folder: Path, arguments: tuple[str, ...], environ: Mapping[str, str]) -> str:
        command = ["git", *arguments]
        try:
            done = subprocess.run(  # noqa: S603
                command, cwd=folder, env=environ, capture_output=True, text=True, errors="replace", check=False
            )
        except OSError as error:
            raise DeploymentError(f"git is needed to export {folder}: {error}") from error
        if done.returncode:
            told = done.stderr.strip()
            raise DeploymentError(f"{folder} cannot be exported, since only a commit is deployed. git says: {told}")
        return done.stdout.rstrip("\n")

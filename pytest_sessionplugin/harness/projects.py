"""What is costly and lasts for the session: projects with their imported apps, keys, tables. Opens none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sessionplugin.app.project import Memory, Project
from pytest_sessionplugin.errors import ProjectError, SessionPluginError, TemplateError
from pytest_sessionplugin.options import are_texts

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Seed
    from pytest_sessionplugin.aws.templates import TableSpec


@dataclass(frozen=True)
class Setup:
    """A project and its AWS, as every test finds them."""

    project: Project
    memory: Memory
    variables: Mapping[str, str]  # an app that was imported under others is not this setup's


class ProjectCache:
    """The setups of a session: one for each project, and for each way in which its tests set it up."""

    def __init__(self, stage: str, rootdir: Path) -> None:
        self._stage = stage
        self._rootdir = rootdir
        self._projects: dict[Path, Project] = {}
        self._setups: dict[object, tuple[Setup, object]] = {}
        self._neighbours: dict[Path, Setup] = {}

    def find(self, path: str | os.PathLike[str]) -> Path:
        """The folder of a project, which may be given from the rootdir."""
        if not isinstance(path, str | os.PathLike):
            raise ProjectError(self._rootdir, f"a project is a folder, the path of one, not {path!r}.")
        return (self._rootdir / path).resolve()

    @staticmethod
    def checked(variables: Mapping[str, str]) -> Mapping[str, str]:
        """What the fixture chalice_env gives, which anybody may write."""
        if not isinstance(variables, Mapping) or not are_texts(variables):
            raise SessionPluginError(
                f"the fixture chalice_env gives {variables!r}; it must be a mapping of strings to strings."
            )
        return variables

    def neighbour(self, root: Path) -> Setup:
        """A project beside the one in test: what its own files say, and nothing that fixtures override."""
        if root not in self._neighbours:
            project = Project(root, self._stage)
            self._neighbours[root] = Setup(project, Memory(project), {})
        return self._neighbours[root]

    def project(self, root: Path) -> Project:
        if root not in self._projects:
            self._projects[root] = Project(root, self._stage, self._rootdir)
        return self._projects[root]

    def setup(
        self,
        root: Path,
        variables: Mapping[str, str],
        specs: Mapping[str, TableSpec],
        seed: Seed,
    ) -> Setup:
        """Specs and seed are told apart by identity: a fixture gives the same object all session long."""
        for fixture, given in (("dynamodb_specs", specs), ("dynamodb_seed", seed)):
            if given is None:
                raise TemplateError(f"the fixture {fixture} gives None; is its return missing?")
        key = (root, tuple(sorted(variables.items())), id(specs), id(seed))
        if key not in self._setups:
            project = self.project(root)
            memory = Memory(project, specs=specs, seed=seed, variables=variables)
            self._setups[key] = Setup(project, memory, dict(variables)), (specs, seed)
        return self._setups[key][0]

    def close(self) -> None:
        for setup in (*(setup for setup, _ in self._setups.values()), *self._neighbours.values()):
            setup.memory.tokens.close()

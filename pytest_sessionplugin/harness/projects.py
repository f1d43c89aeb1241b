"""Projects that are prepared once for all tests of a run: their imported apps, keys and tables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.app.project import Memory, Project, specs_of
from pytest_sessionplugin.errors import ProjectError, SessionPluginError, TemplateError
from pytest_sessionplugin.options import are_texts, contract_files

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.moto.emulator import MadeCall
    from pytest_sessionplugin.aws.tables import FirstRows
    from pytest_sessionplugin.aws.templates import TableSpec
    from pytest_sessionplugin.contract.contract import Contract
    from pytest_sessionplugin.contract.coverage import Coverage


@dataclass(frozen=True)
class ProjectSetup:
    """A project and its AWS, in the state in which every test finds them."""

    project: Project
    memory: Memory
    variables: Mapping[str, str]  # of the fixture chalice_env; an app imported under others belongs to another setup


class TemplateSpecs(Mapping[str, "TableSpec"]):
    """The tables of a project's templates, read when they are first looked at.

    The fixture dynamodb_specs gives it once for a run, which may have several projects: tests without an override of
    it have the templates of their own.
    """

    def __init__(self, cache: ProjectCache, project: str | os.PathLike[str], variables: Mapping[str, str]) -> None:
        self._cache, self._project, self._variables = cache, project, variables

    @cached_property
    def _specs(self) -> Mapping[str, TableSpec]:
        project = self._cache.project(self._cache.find(self._project))
        return specs_of(project, self._cache.checked(self._variables))

    def __getitem__(self, name: str) -> TableSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)


class ProjectCache:
    """One setup for each project, and for each way in which its tests override fixtures."""

    def __init__(self, stage: str | None, rootdir: Path) -> None:
        self._stage = stage
        self._rootdir = rootdir
        self._projects: dict[Path, Project] = {}
        self._setups: dict[object, tuple[ProjectSetup, object]] = {}
        self._others: dict[Path, ProjectSetup] = {}
        self._made: dict[Path, Sequence[MadeCall]] = {}
        self._changed: dict[Path, Mapping[str, str | None]] = {}
        self._contracts: dict[Path, Contract | None] = {}

    def find(self, path: str | os.PathLike[str]) -> Path:
        """The folder of a project, given absolute or from the rootdir."""
        if not isinstance(path, str | os.PathLike):
            raise ProjectError(self._rootdir, f"a project is a folder, the path of one, not {path!r}.")
        return (self._rootdir / path).resolve()

    @staticmethod
    def checked(variables: Mapping[str, str]) -> Mapping[str, str]:
        """The value of the fixture chalice_env, which tests may override with anything."""
        if not isinstance(variables, Mapping) or not are_texts(variables):
            raise SessionPluginError(
                f"the fixture chalice_env gives {variables!r}; it must be a mapping of strings to strings."
            )
        return variables

    def other(self, root: Path) -> ProjectSetup:
        """Another project than the test's own, set up by its own files alone: fixtures do not change it."""
        if root not in self._others:
            advice = f"of() takes the folder of one, absolute or from {self._rootdir}."
            project = Project(root, self._stage, advice=advice)
            self._others[root] = ProjectSetup(project, Memory(project), {})
        return self._others[root]

    @cached_property
    def coverage(self) -> Coverage:
        """Everything of the contracts that the tests of this process have seen."""
        from pytest_sessionplugin.contract.coverage import Coverage

        return Coverage()

    def contract(self, root: Path, settings: Mapping[str, Any]) -> Contract | None:
        """The contract of a project, read once. Raises OptionError or ContractError."""
        if root not in self._contracts:
            self._contracts[root] = self._read_contract(root, settings)
        return self._contracts[root]

    def _read_contract(self, root: Path, settings: Mapping[str, Any]) -> Contract | None:
        files = contract_files(settings, root)
        if not files:
            return None
        from pytest_sessionplugin.contract.contract import Contract

        return Contract.read(files, self._rootdir.resolve(), self.coverage)

    def project(self, root: Path) -> Project:
        if root not in self._projects:
            self._projects[root] = Project(root, self._stage, self._rootdir)
        return self._projects[root]

    def made_by(self, project: Project) -> Sequence[MadeCall]:
        """Calls of AWS that the one import of its app has made."""
        return self._made.get(project.root, ())

    def variables_by(self, project: Project) -> Mapping[str, str | None]:
        """Variables of os.environ that the one import of its app has set, and None for those that it took away."""
        return self._changed.get(project.root, {})

    def keep(self, project: Project, made: Sequence[MadeCall], variables: Mapping[str, str | None]) -> None:
        self._made[project.root], self._changed[project.root] = made, variables

    def setup(
        self,
        root: Path,
        variables: Mapping[str, str],
        specs: Mapping[str, TableSpec],
        rows: FirstRows,
    ) -> ProjectSetup:
        """Specs and rows are compared by identity: a fixture returns the same object for the whole run."""
        for fixture, given in (("dynamodb_specs", specs), ("dynamodb_seed", rows)):
            if given is None:
                raise TemplateError(f"the fixture {fixture} gives None; is its return missing?")
        own = None if isinstance(specs, TemplateSpecs) else specs
        key = (root, tuple(sorted(variables.items())), id(own), id(rows))
        if key not in self._setups:
            project = self.project(root)
            memory = Memory(project, specs=own, rows=rows, variables=variables)
            self._setups[key] = ProjectSetup(project, memory, dict(variables)), (own, rows)
        return self._setups[key][0]

    def close(self) -> None:
        for setup in (*(setup for setup, _ in self._setups.values()), *self._others.values()):
            setup.memory.tokens.close()

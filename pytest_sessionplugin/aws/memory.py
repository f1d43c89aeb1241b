"""A project's AWS in memory: the one entry for everybody, with pytest or without. Knows no emulator."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from pytest_sessionplugin.aws import environment, template
from pytest_sessionplugin.aws.specs import checked
from pytest_sessionplugin.errors import TemplateError
from pytest_sessionplugin.tokens import Tokens, TokenSettings

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.calls import Calls
    from pytest_sessionplugin.aws.faults import Faults
    from pytest_sessionplugin.aws.moto_internals import Aws, Emulated
    from pytest_sessionplugin.aws.tables import Seed
    from pytest_sessionplugin.aws.template import TableSpec
    from pytest_sessionplugin.project import Project


def in_memory(project: Project, *, tokens: Tokens | None = None) -> AbstractContextManager[Aws]:
    """The project's environment, and its tables behind the door, until the block ends."""
    return Memory(project, tokens=tokens).open()


def specs_of(project: Project, variables: Mapping[str, str] | None = None) -> dict[str, TableSpec]:
    """The tables of the project's templates, in the region that its environment names."""
    region = environment.region_of(project.environment, project.section("env"), variables or {})
    stack = template.Stack(f"{project.name}-{project.stage}", region)
    found: dict[str, TableSpec] = {}
    for path in project.templates:
        for name, spec in template.tables(path, stack).items():
            if name in found:
                raise TemplateError(f"the table {name} is described twice, the second time in {path}.")
            found[name] = spec
    return found


class Memory:
    """What `in_memory` opens, to be opened again and again: each time it starts as the first time.

    `variables` are over those of the stage and of [tool.sessionplugin.env]. `endpoint` is where DynamoDB is, if it is
    not to be in memory: a URL on loopback.
    """

    def __init__(
        self,
        project: Project,
        *,
        tokens: Tokens | None = None,
        specs: Mapping[str, TableSpec] | None = None,
        seed: Seed | None = None,
        variables: Mapping[str, str] | None = None,
        endpoint: str | None = None,
    ) -> None:
        own = variables or {}
        self.tokens = tokens or Tokens(TokenSettings.of(project.section("tokens")))
        self.specs = checked(specs_of(project, own) if specs is None else specs)
        self.region = environment.region_of(project.environment, project.section("env"), own)
        self.variables = {
            **project.environment,
            **self.expand({**project.section("env"), **own}),
            **environment.neutral(self.region),
        }
        if endpoint is not None:
            self.variables["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
            self.variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "false"
            self.variables.update(environment.past_proxies(endpoint, {**os.environ, **self.variables}))
        self._seed = seed
        self.endpoint = endpoint
        self._emulated: Emulated | None = None

    def expand(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables with what {table:…} and {token:…} stand for."""
        return environment.expand(variables, self._lookup)

    @contextmanager
    def open(self, calls: Calls | None = None, faults: Faults | None = None) -> Iterator[Aws]:
        """One at a time is open in a process. Afterwards os.environ is as it was."""
        with environment.applied(self.variables):
            from pytest_sessionplugin.aws.moto_internals import Emulated

            if self._emulated is None:
                self._emulated = Emulated(self.specs, self._seed, self.region, self.endpoint)
            with self._emulated.open(calls, faults) as aws:
                yield aws

    def _lookup(self, kind: str, name: str) -> str:
        if kind == "token":
            return self.tokens.lookup(name)
        if name not in self.specs:
            raise KeyError(f"there is no table {name}; there are: {', '.join(self.specs) or 'none'}.")
        return str(self.specs[name]["TableName"])

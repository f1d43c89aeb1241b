"""Runs `chalice package`, from Python.

Only this file and `plan.py` import Chalice's internals.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, cast

from botocore.session import Session
from chalice.cli.factory import CLIFactory
from chalice.config import Config
from chalice.deploy import models
from chalice.deploy.appgraph import ApplicationGraphBuilder, DependencyBuilder
from chalice.deploy.deployer import BuildStage, create_build_stage
from chalice.deploy.packager import NoSuchPackageError, PackageDownloadError
from chalice.deploy.swagger import CFNSwaggerGenerator
from chalice.package import (
    AppPackager,
    CompositePostProcessor,
    JSONTemplateSerializer,
    PackageOptions,
    ResourceBuilder,
    SAMCodeLocationPostProcessor,
    SAMTemplateGenerator,
    TemplateDeepMerger,
    TemplateMergePostProcessor,
)
from chalice.utils import UI, OSUtils, to_cfn_resource_name

from deployment.errors import DeploymentError
from deployment.stage import REST, Stage

TIMEOUTS = {"connection_timeout": 10, "read_timeout": 120, "max_retries": 3}
"""Seconds: the upload of a package of several megabytes must fit in."""


def package(stage: Stage, merge: Path, out: Path, say: Callable[[str], None], code: Path | None = None) -> Path:
    """Runs `chalice package --stage --merge-template`: writes template and zip to `out`, returns the template.

    With `code`, an existing zip is used instead of a new one. Needs neither credentials nor a region. Raises
    DeploymentError.
    """
    system = OSUtils()
    serializer = JSONTemplateSerializer()
    lines = _Lines(say)
    try:
        config = CLIFactory(str(stage.root)).create_config_obj(stage.name)
        build = create_build_stage(system, _ui(lines), CFNSwaggerGenerator(), config)
        builder = ResourceBuilder(ApplicationGraphBuilder(), DependencyBuilder(), _Build(build, code))
        processors = [
            SAMCodeLocationPostProcessor(osutils=system),
            TemplateMergePostProcessor(system, TemplateDeepMerger(), serializer, str(merge)),
        ]
        generator = SAMTemplateGenerator(config, _Principals())
        packager = AppPackager(generator, builder, CompositePostProcessor(processors), serializer, system)
        with contextlib.redirect_stdout(lines):  # as in a deploy
            packager.package_app(config, str(out), stage.name)
    except (NoSuchPackageError, PackageDownloadError, RuntimeError, OSError) as error:
        raise DeploymentError(f"Chalice could not package: {error}") from error
    return out / f"{generator.template_file}.{serializer.file_extension}"


class _Build(BuildStage):
    """Chalice's packaging steps, with an existing zip instead of a new build."""

    def __init__(self, steps: BuildStage, code: Path | None) -> None:
        super().__init__([])
        self._chalice_steps = steps
        self._code = code

    def execute(self, config: Config, resources: list[models.Model]) -> None:
        for resource in resources:
            if self._code is not None and isinstance(resource, models.DeploymentPackage):
                resource.filename = str(self._code)
        self._chalice_steps.execute(config, resources)


class _Principals(PackageOptions):
    """Service principals without a client, which would need a region: the template works in any region."""

    def __init__(self) -> None:
        """Skips the client that the base class makes."""

    def service_principal(self, service: str) -> str:
        return f"{service}.amazonaws.com"


def logical_id(function: str) -> str:
    """Logical id of a function in a packaged template."""
    name: str = "APIHandler" if function == REST else to_cfn_resource_name(function)
    return name


def log_group_id(function: str) -> str:
    """Logical id of a function's log group in a packaged template."""
    name: str = to_cfn_resource_name(function) + "LogGroup"
    return name


def session() -> Session:
    """botocore's session, with time-outs that allow for uploading a package."""
    made: Session = CLIFactory(".").create_botocore_session(**TIMEOUTS)
    return made


def _ui(lines: _Lines) -> UI:
    out = cast("TextIO", lines)
    return UI(out=out, err=out, confirm=lambda *_, **__: True)


class _Lines(io.TextIOBase):
    """A text stream that passes on each line written to it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                self._say(line.strip())
        return len(text)

"""A Chalice project: its folder, stage, settings and app, its tables, and its environment with AWS in memory."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin import options
from pytest_sessionplugin.app import modules
from pytest_sessionplugin.app.config_json import check_stage, read_config
from pytest_sessionplugin.app.placeholders import Placeholders, name_in_lambda, name_in_template, refs
from pytest_sessionplugin.app.seed import Seed
from pytest_sessionplugin.app.working_directory import working_in
from pytest_sessionplugin.aws import environment, resources, templates
from pytest_sessionplugin.aws.table_specs import checked, checked_in
from pytest_sessionplugin.errors import AppIgnored, LambdaFault, ProjectError, SessionPluginError, TemplateError
from pytest_sessionplugin.gateway.values import REST_FUNCTION, Api, CustomDomain
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings
from pytest_sessionplugin.tracebacks import advice_on_import

NAME_IT = (
    "Name a folder that has app.py and .chalice/config.json: with --sessionplugin-project of pytest, as the argument "
    "of the command, in SESSIONPLUGIN_PROJECT, or as `project` in [tool.sessionplugin]."
)

if TYPE_CHECKING:
    from chalice.app import Chalice
    from chalice.config import Config

    from pytest_sessionplugin.app.modules import NamedCopy
    from pytest_sessionplugin.aws.moto.emulator import Emulator
    from pytest_sessionplugin.aws.resources import Resources
    from pytest_sessionplugin.aws.tables import FirstRows
    from pytest_sessionplugin.aws.templates import TableSpec
    from pytest_sessionplugin.gateway.client.transport import Urls


_DOMAIN = re.compile(r"([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)(?:/([^\s/]+(?:/[^\s/]+)*))?/?")

REST_HANDLER = "app.app"
"""The handler string of `api_handler` (deploy/appgraph.py)."""

LAMBDA_MEMORY = 128  # megabytes, if config.json names none


class Project:
    """The project in `root` as a stage deploys it: the named one, else dev, else the only one.

    Settings are those of its own pyproject.toml, else of the one in `outer`. Files are read once, when first used.
    Raises ProjectError if there is no project.
    """

    def __init__(self, root: Path, stage: str | None = None, outer: Path | None = None, *, advice: str = "") -> None:
        """`advice` says how to name another folder, if this one has no project; by default, in the settings."""
        self.root = root.resolve()
        self._named_stage = stage
        self._outer = outer or self.root
        self.loaded_for: Mapping[str, str] | None = None  # the variables that `load` was given
        self._was_there = False
        for path in (self.app_file, self.config_path):
            if not path.is_file():
                raise ProjectError(
                    self.root,
                    f"{self.root} is not a Chalice project: it has no {path.relative_to(self.root)}. "
                    f"{advice or NAME_IT}{options.projects_below(self.root)}",
                )

    @property
    def app_file(self) -> Path:
        return self.root / "app.py"

    def again(self) -> Project:
        """The same project, to be read again. Raises ProjectError like the constructor."""
        return Project(self.root, self.stage, self._outer)

    @cached_property
    def stage(self) -> str:
        """Raises ProjectError if config.json does not have it."""
        stages = self.config_json.get("stages", {})
        try:
            found = options.choose_stage(self._named_stage, stages, self.config_path)
        except LookupError as error:
            raise ProjectError(self.root, str(error.args[0])) from None
        check_stage(self.config_path, stages.get(found, {}), found)
        return found

    @property
    def stage_is_the_only_one(self) -> bool:
        """Whether nobody named the stage, and it is not the usual one."""
        return self._named_stage is None and self.stage != options.DEV

    @property
    def files(self) -> frozenset[Path]:
        """The files that are read besides its code, whether they exist or not."""
        found = {folder / "pyproject.toml" for folder in (self.root, self._outer)}
        with contextlib.suppress(SessionPluginError):  # raised where they are read
            found.update(self._template_paths)
        with contextlib.suppress(SessionPluginError):
            found.update([self.seed.path] if self.seed is not None else [])
        return frozenset({*found, self.config_path})

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """[tool.sessionplugin]."""
        return options.find_table(self.root, self._outer)

    def section(self, name: str) -> Mapping[str, str]:
        """A table of strings in the settings."""
        try:
            return options.section(self.settings, name)
        except ValueError as error:
            raise ProjectError(self.root, str(error)) from None

    @cached_property
    def templates(self) -> list[Path]:
        """The templates with its tables. The default one may be missing, a named one must exist."""
        paths = self._template_paths
        for path in paths:
            if "template" in self.settings and not path.is_file():
                raise ProjectError(
                    self.root, f"template in [tool.sessionplugin] names {path}, and there is no such file."
                )
        return paths

    @property
    def without_tables(self) -> str:
        """A sentence on where tables were looked for, in case there are none."""
        there = [path for path in self._template_paths if path.is_file()]
        found = f"{there[0]} describes none" if there else f"{self._template_paths[0]} does not exist"
        return (
            f"{found}: name the CloudFormation or SAM file that has them as `template` in {options.TABLE}, or give "
            "them by the fixture dynamodb_specs."
        )

    @property
    def _template_paths(self) -> list[Path]:
        named = self.settings.get("template")
        if named is None:
            return [self.root / ".chalice" / "resources.json"]
        names = named if isinstance(named, list) else [named]
        if not names or not all(isinstance(name, str) and name for name in names):
            raise ProjectError(self.root, "template in [tool.sessionplugin] must be a path, or a list of paths.")
        return [self.root / name for name in names]

    @property
    def seed(self) -> Seed | None:
        """The file whose `seed()` fills AWS for it."""
        named = self.settings.get("seed")
        if named is not None and not (isinstance(named, str) and named):
            raise ProjectError(self.root, "seed in [tool.sessionplugin] must be the path of a Python file.")
        return None if named is None else Seed(self.root / named, self.root)

    @property
    def examples(self) -> list[str]:
        """Commands that `serve` shows, with {http}, {websocket}, {token} and {sessionplugin} to be filled in."""
        lines = self.settings.get("examples", [])
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise ProjectError(self.root, "examples in [tool.sessionplugin] must be a list of strings.")
        if any("{token}" in quoted for line in lines for quoted in line.split("'")[1::2]):
            reason = "it becomes $TOKEN, which a shell leaves as it is there: use double quotes."
            raise ProjectError(self.root, f"examples in [tool.sessionplugin] have {{token}} in single quotes; {reason}")
        return lines

    @property
    def other_hosts(self) -> bool:
        """Whether connections may be made to hosts that are neither AWS's nor this machine."""
        found = self.settings.get("other_hosts", True)
        if not isinstance(found, bool):
            raise ProjectError(self.root, "other_hosts in [tool.sessionplugin] must be true or false.")
        return found

    @property
    def api_keys(self) -> frozenset[str]:
        """The keys that routes with `api_key_required` accept."""
        keys = self.settings.get("api_keys", [])
        if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
            raise ProjectError(self.root, "api_keys in [tool.sessionplugin] must be a list of non-empty strings.")
        return frozenset(keys)

    @cached_property
    def config_json(self) -> dict[str, Any]:
        return read_config(self.config_path)

    @property
    def config_path(self) -> Path:
        return self.root / ".chalice" / "config.json"

    @cached_property
    def name(self) -> str:
        return str(self.config_json.get("app_name", self.root.name))

    @property
    def deployed_name(self) -> str:
        """The name under which Chalice deploys it, as `chat-dev`."""
        return f"{self.name}-{self.stage}"

    def config(self, function: str = "api_handler") -> Config:
        """Chalice's own view of config.json, for one function."""
        from chalice.config import Config

        return Config(self.stage, function, config_from_disk=self.config_json)

    @property
    def api_stage(self) -> str:
        """The stage in the URLs of its APIs."""
        return self.config().api_gateway_stage or "api"

    def api(self, region: str) -> Api:
        """Its APIs as far as they are known before its app is imported: ids, stage and domain, not routes."""
        return Api(stage=self.api_stage, region=region, websocket_domain=self.websocket_domain)

    @property
    def websocket_domain(self) -> CustomDomain | None:
        """The domain of its WebSocket API: that in the settings, else the one that Chalice deploys."""
        named = self.settings.get("websocket_domain")
        if named is None:
            own = self.config().websocket_api_custom_domain
            if not isinstance(own, dict) or not isinstance(own.get("domain_name"), str):
                return None
            named = f"{own['domain_name']}/{str(own.get('url_prefix', '')).replace('(none)', '').strip('/')}"
        domain = _DOMAIN.fullmatch(named) if isinstance(named, str) else None
        if domain is None and "websocket_domain" not in self.settings:
            return None  # `chalice deploy` says what is wrong with it
        if domain is None:
            must = 'it must be a domain, or one with a base path: "ws.example.com" or "ws.example.com/chat".'
            raise ProjectError(self.root, f"websocket_domain = {named!r} in [tool.sessionplugin]: {must}")
        name = domain[1].lower()
        deployed = ".execute-api." in name  # AWS's own domain of an API, which takes the stage
        return CustomDomain(name, domain[2] or (self.api_stage if deployed else ""))

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the stage, merged over those of all stages."""
        return _texts(self.config().environment_variables)

    def environment_of(self, function: str, handler: str) -> dict[str, str]:
        """The variables of one function of config.json: Lambda's own, and over them those of its stage and its own."""
        config = self.config(function)
        memory = config.lambda_memory_size or LAMBDA_MEMORY
        name = name_in_lambda(self.deployed_name, function)
        of_lambda = environment.of_lambda(self.root, name, memory, handler)
        return {**of_lambda, **_texts(config.environment_variables)}

    def load(self, variables: Mapping[str, str] | None = None) -> Chalice:
        """The app, imported once under its own name; the same object every time.

        `variables` are those in the environment beside the project's own. `loaded_for` keeps the ones of the import.
        """
        app = self._app
        if self.loaded_for is None:
            self.loaded_for = variables
        return app

    @property
    def is_second(self) -> bool:
        """Whether `app` is another project's by now, so that this one can only be copied."""
        other = self._other_app
        return other is not None and options.is_project(Path(other).parent)

    @property
    def was_imported_before(self) -> bool:
        """Whether somebody had imported the app before `load`."""
        return self._was_there

    @property
    def _other_app(self) -> str | None:
        """The file of another module named app; empty if it has none."""
        present = sys.modules.get("app")
        file = getattr(present, "__file__", None) or ""
        return None if present is None or (file and Path(file).resolve() == self.app_file) else file

    @cached_property
    def _app(self) -> Chalice:
        if (other := self._other_app) is not None:
            raise ProjectError(
                self.root,
                f"{self.app_file} cannot be imported: another module named app is, from {other or 'no file'}. "
                "Give its tests an app of their own: pytestmark = pytest.mark.chalice(fresh=True).",
            )
        self._was_there = "app" in sys.modules
        with self._on_path(), self._importing():
            return self.chalice_object(importlib.import_module("app"))

    def load_copy(self, copies: modules.Copies, name: str = "app") -> ModuleType:
        """A new copy of one of its modules."""
        if not isinstance(name, str) or name.endswith(".py") or "/" in name:
            raise ProjectError(self.root, f"{name!r} is not the name of a module, as 'chalicelib.settings' is one.")
        if not modules.is_there(self.root, name):
            raise ProjectError(self.root, f"{name} is not a module of {self.root}, as app and chalicelib are.")
        with self._importing(name):
            return copies.load(name)

    def load_named(self, copy: NamedCopy) -> Chalice:
        """The app of a named copy."""
        with self._importing():
            return self.chalice_object(copy.load("app"))

    def load_alone(self, copy: NamedCopy, name: str) -> Chalice | None:
        """Imports one module of a named copy, as Lambda does for a function; its app, if that imports it."""
        from pytest_sessionplugin.app.handlers import imported  # it imports Chalice

        with self._importing(name):
            imported(name, copy.load)
            module = copy.loaded("app")
            return self.chalice_object(module) if module is not None else None

    def chalice_object(self, module: ModuleType) -> Chalice:
        from chalice.app import Chalice

        app = getattr(module, "app", None)
        if not isinstance(app, Chalice):
            sentence = f"{module.__file__} has no Chalice object named app, which is what Chalice deploys."
            raise ProjectError(self.root, sentence)
        if others := [name for name, it in vars(module).items() if isinstance(it, Chalice) and it is not app]:
            file = str(module.__file__)
            warnings.warn_explicit(AppIgnored(file, others), None, file, 1)
        return app

    @contextlib.contextmanager
    def _on_path(self) -> Iterator[None]:
        """Puts its folder on sys.path, and removes it only if the block fails."""
        path, before = list(sys.path), set(sys.modules)
        modules.put_on_path(self.root)
        modules.claim_chalicelib(self.root)
        try:
            yield
        except BaseException:
            sys.path[:] = path
            new = set(sys.modules) - before
            # All are found before one is removed: the folders of a namespace package are asked of its parent.
            for name in [name for name in new if modules.is_module_of(self.root, sys.modules[name])]:
                del sys.modules[name]
            raise

    @contextlib.contextmanager
    def _importing(self, name: str = "app") -> Iterator[None]:
        path = list(sys.path)
        try:
            with working_in(str(self.root)):
                yield
            modules.make_absolute(self.root, path)
        except (ProjectError, AppIgnored, LambdaFault):
            raise
        except (Exception, SystemExit) as error:
            raise ProjectError(
                self.root,
                f"importing {name} of {self.root} raised {type(error).__name__}: {error}{advice_on_import(error)}",
            ) from error


def _texts(variables: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in variables.items()}


# --- in memory


def specs_of(project: Project, variables: Mapping[str, str] | None = None) -> dict[str, TableSpec]:
    """The tables of the project's templates by their logical names, in the region of its environment."""
    region = environment.region_of(project.environment, project.section("env"), variables or {})
    stack = templates.PseudoParameters(project.deployed_name, region)
    found: dict[str, TableSpec] = {}
    for path in project.templates:
        for name, spec in checked_in(path, templates.tables(path, stack)).items():
            if name in found:
                raise TemplateError(f"the table {name} is described twice, the second time in {path}.")
            found[name] = spec
    return found


def resources_of(project: Project, api: Api, specs: Mapping[str, TableSpec]) -> Resources:
    """The other resources of the project's templates; none of a template that cannot be read."""
    try:
        stack = templates.PseudoParameters(project.deployed_name, api.region)
        return resources.described(project.templates, stack, refs(api, specs))
    except SessionPluginError:  # its tables come from elsewhere, or reading them says it
        return resources.Resources()


class Memory:
    """The environment and the AWS of a project, to be opened any number of times, each time in its first state.

    `rows` are the first ones of its tables. `variables` override those of the stage and of [tool.sessionplugin.env].
    `endpoint` is the URL, on loopback, of a DynamoDB to use instead of the one in memory, `urls` are those of its
    gateway if they are known, `number` is that of its APIs in the account.
    """

    def __init__(
        self,
        project: Project,
        *,
        tokens: Tokens | None = None,
        specs: Mapping[str, TableSpec] | None = None,
        rows: FirstRows | None = None,
        variables: Mapping[str, str] | None = None,
        endpoint: str | None = None,
        urls: Urls | None = None,
        number: int = 0,
    ) -> None:
        self.project, self.urls = project, urls
        own = variables or {}
        self.tokens = tokens or Tokens(TokenSettings.of(project.section("tokens")))
        self.specs = checked(specs_of(project, own) if specs is None else specs)
        self.region = environment.region_of(project.environment, project.section("env"), own)
        api = project.api(self.region).numbered(number)
        self.resources = resources_of(project, api, self.specs)
        self.without_tables = project.without_tables if specs is None else "The fixture dynamodb_specs names none."
        self._placeholders = Placeholders(
            project.deployed_name, api, self.specs, self.tokens, self.resources, urls, self.without_tables
        )
        self.unexpanded = {**project.section("env"), **own}
        self._of_all = {**self.expand(self.unexpanded), **environment.neutral(self.region)}
        self._own: dict[tuple[str, str], Mapping[str, str | None]] = {}
        self._of_rest = self._environment_of(REST_FUNCTION, REST_HANDLER)
        self.variables = {**self._of_rest, **self._of_all}
        if endpoint is not None:
            self.variables["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
            self.variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "false"
            self.variables.update(environment.past_proxies(endpoint, {**os.environ, **self.variables}))
        self._rows = rows
        self.endpoint = endpoint
        self._emulator: Emulator | None = None

    def expand(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables with placeholders replaced, as {table:Rooms}."""
        return self._placeholders.expand(variables)

    def numbered(self, number: int) -> Memory:
        """The same with the API ids of the account's app of this number, which its variables may name."""
        if number == 0:
            return self
        return Memory(self.project, tokens=self.tokens, specs=self.specs, number=number)

    def own_variables(self, function: str, handler: str) -> Mapping[str, str | None]:
        """The values that a function of config.json has in place of those in `variables`, which are api_handler's.

        None is a variable that it lacks.
        """
        if (function, handler) not in self._own:  # each test asks
            own = self._environment_of(function, handler)
            names = {*own, *self._of_rest} - self._of_all.keys()
            self._own[function, handler] = {
                name: own.get(name) for name in names if own.get(name) != self._of_rest.get(name)
            }
        return self._own[function, handler]

    def _environment_of(self, function: str, handler: str) -> dict[str, str]:
        of_template = self.resources.variables.get(name_in_template(function), {})
        return {**self.project.environment_of(function, handler), **of_template}

    @contextmanager
    def open(self) -> Iterator[Emulator]:
        """Opens it, one at a time in a process. Restores os.environ at the end."""
        with environment.applied(self.variables):
            from pytest_sessionplugin.aws.moto.emulator import Emulator

            if self._emulator is None:
                self._emulator = Emulator(self.specs, self._rows, self.region, self.endpoint, self.resources)
            with self._emulator.open():
                yield self._emulator

"""Finds the functions of an app as Lambda does: by handler strings such as `chalicelib.jobs.report`.

Chalice itself calls the object that a decorator registered. Lambda imports the module of the string and takes the name
from it (aws-lambda-python-runtime-interface-client), so it may find nothing, or something else. It may also find a
function without its app: for one of a Blueprint it does not import app.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from types import ModuleType
from typing import Any

from chalice.app import Blueprint, Chalice

from pytest_sessionplugin.app.modules import unlabelled
from pytest_sessionplugin.errors import LambdaFault
from pytest_sessionplugin.tracebacks import Owner, owner

Handler = Callable[[Any, Any], Any]
"""Called with event and context."""

Load = Callable[[str], ModuleType]
"""Imports a module."""


def module_of(handler: str) -> str:
    return handler.rpartition(".")[0]


def imported(name: str, load: Load) -> ModuleType:
    """The module of a handler string. Raises LambdaFault if Lambda could not import it."""
    try:
        return load(name)
    except ImportError as error:
        sentence = f"Unable to import module '{name}': {unlabelled(str(error))}"
        advice = "Chalice takes the name of the module from its Blueprint, which is to be made with __name__"
        raise LambdaFault("Runtime.ImportModuleError", sentence, advice) from error


class Handlers:
    """Where Lambda looks for the functions of an app. Made right after the import, since `load` may find others later.

    `without_app` are the modules of functions that run without the app, as far as the names in them tell. `blueprints`
    are the Blueprints in these modules.
    """

    def __init__(self, handlers: Collection[str], load: Load) -> None:
        self._modules: dict[str, ModuleType | LambdaFault] = {}
        self.blueprints: list[Blueprint] = []
        self.without_app: set[str] = set()
        for name in {module_of(handler) for handler in handlers}:
            try:
                module = self._modules[name] = imported(name, load)
            except LambdaFault as fault:
                self._modules[name] = fault
                continue
            if name != "app":
                self._look_around(name, module)

    def _look_around(self, name: str, module: ModuleType) -> None:
        values = [value for each in _imports(module) for value in vars(each).values()]
        if not any(isinstance(value, Chalice) for value in values):
            self.without_app.add(name)
            self.blueprints += [value for value in values if isinstance(value, Blueprint)]

    def find(self, handler: str) -> Handler:
        """The object under that name. Raises LambdaFault if Lambda finds none."""
        module, name = module_of(handler), handler.rpartition(".")[2]
        found = self._modules[module]
        if isinstance(found, LambdaFault):
            raise LambdaFault(found.type, found.sentence, found.advice)
        try:
            return getattr(found, name)  # type: ignore[no-any-return]
        except AttributeError:
            sentence = f"Handler '{name}' missing on module '{module}'"
            advice = f"Chalice deploys the function as {handler}, where its decorator's result is to be found"
            raise LambdaFault("Runtime.HandlerNotFound", sentence, advice) from None

    def has_app(self, handler: str) -> bool:
        return module_of(handler) not in self.without_app

    def problem(self, handler: str, registered: object) -> str:
        """A sentence if Lambda finds nothing or something else than the registered object; else empty."""
        try:
            found: object = self.find(handler)
        except LambdaFault as fault:
            return str(fault)
        while found is not registered and hasattr(found, "__wrapped__"):
            found = found.__wrapped__
        return "" if found is registered else f"Lambda runs what {handler} is, which is not what Chalice registered"


def _imports(module: ModuleType) -> Iterator[ModuleType]:
    """The module and all others of its project that importing it imports, as its names and theirs tell."""
    seen, todo = set(), [module]
    while todo:
        each = todo.pop()
        if each.__name__ in seen:
            continue
        seen.add(each.__name__)
        yield each
        names = {each.__name__.rpartition(".")[0]}
        for value in vars(each).values():
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(name, str) and not name.startswith(f"{each.__name__}."):  # which a package has of others
                names.add(name)
        todo += [found for found in map(sys.modules.get, names) if found is not None and _is_users(found)]


def _is_users(module: ModuleType) -> bool:
    file = vars(module).get("__file__")
    return owner(file) is Owner.USER if isinstance(file, str) else module.__name__ not in sys.stdlib_module_names

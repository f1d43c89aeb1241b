"""Handler strings are resolved as Lambda resolves them."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

import pytest
from chalice.app import Blueprint, Chalice

from pytest_sessionplugin.app.handlers import Handlers
from pytest_sessionplugin.errors import LambdaFault


def module(name: str, **values: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(values)
    return made


def of(*handlers: str, **modules: Any) -> Handlers:
    """Handlers among these modules, given as their names and values."""
    made = {name: module(name, **values) for name, values in modules.items()}

    def load(name: str) -> ModuleType:
        if name in made:
            return made[name]
        raise ModuleNotFoundError(f"No module named '{name}@copy'")

    return Handlers(handlers, load)


def test_lambda_takes_the_name_from_the_module() -> None:
    handler = object()
    found = of("app.sweep", app={"sweep": handler})
    assert [found.find("app.sweep")] == [handler]
    assert found.problem("app.sweep", handler) == ""


@pytest.mark.parametrize(
    ("handler", "type", "sentence"),
    [
        ("reports.daily", "Runtime.ImportModuleError", "Unable to import module 'reports': No module named 'reports'"),
        ("app.hidden", "Runtime.HandlerNotFound", "Handler 'hidden' missing on module 'app'"),
    ],
)
def test_a_function_that_lambda_would_not_find_is_refused_in_its_words(handler: str, type: str, sentence: str) -> None:
    found = of(handler, app={})
    for _ in range(2):
        with pytest.raises(LambdaFault) as raised:
            found.find(handler)
        assert (raised.value.type, raised.value.sentence) == (type, sentence)
        assert str(raised.value).startswith(f"{type}: {sentence}. Chalice ")
    assert found.problem(handler, len).startswith(f"{type}: {sentence}")


def test_something_else_under_the_name_is_a_problem_and_a_decorated_handler_is_none() -> None:
    def sweep(event: Any, context: Any) -> None: ...

    @functools.wraps(sweep)
    def decorated(*arguments: Any) -> None: ...

    found = of("app.sweep", "app.other", app={"sweep": decorated, "other": decorated})
    assert found.problem("app.sweep", sweep) == ""
    assert found.find("app.sweep") is decorated
    assert "is not what Chalice registered" in found.problem("app.other", len)


def test_a_module_that_does_not_import_the_app_is_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app, jobs, others = Chalice("x", configure_logs=False), Blueprint("jobs"), Blueprint("others")
    helpers = module("chalicelib.helpers", others=others)
    monkeypatch.setitem(sys.modules, "chalicelib.helpers", helpers)
    found = of("app.a", "jobs.b", app={"app": app}, jobs={"jobs": jobs, "helpers": helpers})
    assert (found.has_app("app.a"), found.has_app("jobs.b")) == (True, False)
    assert found.blueprints == [jobs, others]
    vars(helpers)["app"] = app
    found = of("jobs.b", jobs={"jobs": jobs, "helpers": helpers})
    assert found.has_app("jobs.b")
    assert found.blueprints == []

"""Explains an error of Python that a test gets for a wrong call of the plugin, from the error and its traceback.

An unknown attribute, an unknown argument, or an argument of another type than its annotation. Nothing is checked
while a test runs: an explanation is made when its failure is reported.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

from pytest_sessionplugin.errors import nearest
from pytest_sessionplugin.tracebacks import Owner, is_raised, owner, steps_of

PACKAGE = __name__.partition(".")[0]
OVERRIDDEN = ("chalice_project", "chalice_env", "dynamodb_specs", "dynamodb_seed")
OF_SESSION = "is asked for once in a run: override it with @pytest.fixture(scope='session')."
OF_TEST = (
    "is made for each test, so let the fixture that asks for it have the scope of a function. Rows that every test "
    "starts with are the fixture dynamodb_seed; `seed` in [tool.sessionplugin] fills the rest of AWS."
)
OF_COROUTINE = "The plugin's clients are synchronous, so `def` is enough for a test that awaits nothing else."
IMPLICIT = (AttributeError, TypeError, ValueError, KeyError, LookupError)
"""Errors that an argument of a wrong type leads to."""

FOR_OTHER_ROOMS: Mapping[str, Collection[str]] = {
    "Calls": {
        *("asked", "attempted", "attempts", "consumed", "denied", "held_back", "test", "waited", "was_blocked"),
        "without_block",
    },
    "Clock": {"began"},
    "Faults": {
        *("arm", "awaits", "fire", "kills", "loses_disconnect", "never_fired", "past", "refuses"),
        *("throttles_handshake", "times_out"),
    },
    "Gateway": {"runtime"},
    "Race": {"call", "came", "hold", "parties", "told"},
    "Races": {"hold", "never_run"},
    "Tokens": {"close", "in_test", "key", "lookup", "settings", "start_over"},
    "Call": {"asked", "described", "is_of", "needs"},
    "Observed": {"kept", "order"},
}
"""Public members that other rooms of the plugin use, and no test."""

_PLUGIN_LINE = re.compile(rf"\b{PACKAGE}[/\\\\]plugin\.py:")
_CALLED = re.compile(r"((?:\w+\.)*)(\w+)\(\) (?:got|missing|takes) ")
"""How Python begins an error about the arguments of a call; it gives no attribute with the function."""

_AWAITED = re.compile(r"(?:object |')(\w+)'? (?:can't be used in 'await'|object does not support the asynchronous)")
"""How Python begins an error about `await` and `async with`."""

_KEYWORD = re.compile(r"unexpected keyword argument '(\w+)'")


def explanation(error: BaseException) -> str:
    """A sentence on what to do; empty if the error does not come from a wrong call of the plugin."""
    steps = steps_of(error.__traceback__)
    owners = [owner(step.tb_frame.f_code.co_filename) for step in steps]
    if Owner.USER not in owners:
        return ""
    below = steps[len(owners) - owners[::-1].index(Owner.USER) :]  # those that the last line of the user led to
    if not below and isinstance(error, AttributeError):
        return _of_attribute(error)
    if isinstance(error, TypeError) and (sentence := _of_call(str(error))):
        return sentence
    if not below and isinstance(error, TypeError) and (awaited := _AWAITED.match(str(error))):
        known = any(awaited[1] in vars(each) for each in _modules())
        return "It is synchronous: leave out `await` and `async`." if known else ""
    if isinstance(error, TypeError) and Owner.PLUGIN in owners[-len(below) :] and _is_of_json(steps[-1]):
        return "JSON has dict, list, str, int, float, bool and None: convert the rest, as with str() or list()."
    if isinstance(error, IMPLICIT) and Owner.PLUGIN in owners[-len(below) :] and not is_raised(steps[-1]):
        return next((sentence for step in below if (sentence := _of_frame(step.tb_frame))), "")
    return ""


def _is_of_json(step: TracebackType) -> bool:
    return str(step.tb_frame.f_globals.get("__name__")).partition(".")[0] == "json"


def of_scope(message: str) -> str:
    """pytest's message about a fixture of a wider scope that asks for one of ours, with advice; empty for another."""
    found = re.match(r"ScopeMismatch: .* scoped fixture (\w+) with", message)
    lines = message.splitlines()
    kept = [line for line in lines if not _PLUGIN_LINE.search(line)]
    if found is None or len(kept) == len(lines):
        return ""
    return "\n".join([*kept, f"{found[1]} {OF_SESSION if found[1] in OVERRIDDEN else OF_TEST}"])


def of_coroutine(message: str) -> str:
    """pytest's message about an `async def` test that no plugin runs, with advice; empty for another."""
    return f"{message}\n{OF_COROUTINE}" if message.startswith("async def functions are not") else ""


# --- an attribute


def _of_attribute(error: AttributeError) -> str:
    subject, name = error.obj, error.name or ""
    if inspect.isroutine(subject) and _is_ours(subject):
        method = subject.__name__
        return f"{method} is a method: call it, as in {method}().{name}."
    if not _is_ours(type(subject)) or name.startswith("__"):
        return ""
    if isinstance(subject, Iterable) and hasattr(subject, "__getitem__") and name in subject:
        return f"A name is looked up, as in [{name!r}]."
    inner = {each for base in type(subject).__mro__ for each in FOR_OTHER_ROOMS.get(base.__name__, ())}
    known = [each for each in dir(subject) if not each.startswith("_") and each not in inner]
    return f"{_nearest(name, known)}{type(subject).__name__} has {', '.join(known)}."


def _is_ours(function_or_type: Any) -> bool:
    return str(function_or_type.__module__).partition(".")[0] == PACKAGE


def _nearest(name: str, known: Collection[str]) -> str:
    near = [each for each in known if each.startswith(f"{name}_")] or [*filter(None, [nearest(name, known)])]
    return f"Did you mean {' or '.join(near)}? " if near else ""


# --- the arguments of a call


def _of_call(message: str) -> str:
    called = _CALLED.match(message)
    function = _function(called[1] + called[2]) if called else None
    if called is None or function is None:
        return ""
    takes = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
    names = [_written(each) for each in takes]
    keyword = _KEYWORD.search(message)
    near = _nearest(keyword[1], [each.name for each in takes]) if keyword else ""
    return f"{near}{_shown(called[1] + called[2])}() takes {', '.join(names) or 'nothing'}."


def _written(parameter: inspect.Parameter) -> str:
    """A parameter as it is written in a call."""
    match parameter.kind:
        case parameter.VAR_POSITIONAL:
            return f"*{parameter.name}"
        case parameter.VAR_KEYWORD:
            return f"**{parameter.name}"
        case parameter.KEYWORD_ONLY:
            return f"{parameter.name}="
    return parameter.name


def _function(qualified: str) -> Any:
    """The function of the plugin with this name, in one of its modules."""
    for module in _modules():
        found: Any = module
        for part in qualified.split("."):
            found = vars(found).get(part) if isinstance(found, (types.ModuleType, type)) else None
        if callable(found) and getattr(found, "__module__", None) == module.__name__:
            return inspect.unwrap(found)
    return None


def _modules() -> list[types.ModuleType]:
    """The modules of the plugin that are loaded."""
    return [each for name, each in sys.modules.items() if name.partition(".")[0] == PACKAGE]


def _shown(qualified: str) -> str:
    return qualified.removesuffix(".__call__").removeprefix("Verbs.")  # the base of two classes


def _of_frame(frame: FrameType) -> str:
    """A sentence on the first argument of the frame's function that does not fit its annotation."""
    function = _function(frame.f_code.co_qualname)
    if function is None or function.__code__ is not frame.f_code:
        return ""
    for name, annotation, value in _arguments(function, frame):
        kind = _evaluated(annotation, frame.f_globals)
        if kind is not None and not _fits(value, kind):
            called = _shown(frame.f_code.co_qualname)
            return f"{called}(): {name} takes {annotation}, not {type(value).__name__}."
    return ""


def _arguments(function: Any, frame: FrameType) -> Iterator[tuple[str, str, object]]:
    """Name, annotation and value of each argument, as long as the function has not changed it."""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.annotation is parameter.empty or parameter.name not in frame.f_locals:
            continue
        value, annotation = frame.f_locals[parameter.name], str(parameter.annotation)
        if parameter.kind is parameter.VAR_KEYWORD:
            yield from ((name, annotation, each) for name, each in value.items())
        elif parameter.kind is parameter.VAR_POSITIONAL:
            yield from ((parameter.name, annotation, each) for each in value)
        else:
            yield parameter.name, annotation, value


def _evaluated(annotation: str, names: Mapping[str, Any]) -> Any:
    """The type that is meant; None if the annotation names one that is imported for a type checker alone."""
    try:
        return eval(annotation, dict(names))  # noqa: S307 - the plugin's own source
    except (NameError, TypeError, AttributeError):
        return None


def _fits(value: object, kind: Any) -> bool:
    """Whether a value may be of this type, by its outermost layer."""
    if kind is None or kind is type(None):
        return value is None
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in typing.get_args(kind))
    outer = origin or kind
    if outer is Any or not isinstance(outer, type) or getattr(outer, "_is_protocol", False):
        return True
    if isinstance(value, (str, bytes)) and issubclass(outer, Collection) and outer not in (str, bytes):
        return False  # a text is a sequence of its letters, which is not meant
    if issubclass(outer, Sequence) and isinstance(value, Collection) and outer is not str:
        return not isinstance(value, Mapping)
    return isinstance(value, outer)

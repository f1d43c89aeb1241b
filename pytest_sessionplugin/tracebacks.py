"""Shortens tracebacks to the frames of the project and its tests."""

from __future__ import annotations

import contextlib
import functools
import linecache
import os
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_sessionplugin.errors import GatewayWarning, ProjectError, SessionPluginError

if TYPE_CHECKING:
    import pytest


HERE = Path(os.path.realpath(__file__)).parent
INSTALLED = frozenset({"site-packages", "dist-packages"})
MACHINERY = frozenset({"boto3", "botocore", "chalice", "moto"})
ENVIRON = (os.__file__, "<frozen os>")
"""Files of os.environ."""
BETWEEN = frozenset({contextlib.__file__, functools.__file__})
"""Files whose frames stand between two frames of the plugin, or between the test and the plugin."""
CLIENTS = frozenset({"anyio", "httpx", "requests"})
"""Packages, likewise."""
SDK = frozenset({"boto3", "botocore"})


# --- whose code a file is


class Owner(Enum):
    PLUGIN = "this package"
    MACHINERY = "a package through which an app is called or calls AWS, or Python's import"
    LIBRARY = "any other installed package, or Python itself"
    USER = "all else: a project, its tests"


@functools.cache
def owner(filename: str) -> Owner:
    path = Path(os.path.realpath(filename))
    if path.is_relative_to(HERE):
        return Owner.PLUGIN
    if filename.startswith("<"):
        return Owner.MACHINERY if filename.startswith("<frozen importlib") else Owner.LIBRARY
    if package := _package(path):
        return Owner.MACHINERY if package in MACHINERY else Owner.LIBRARY
    return Owner.LIBRARY if path.is_relative_to(_python()) else Owner.USER


def _package(path: Path) -> str:
    """The installed package that a file belongs to; empty if none."""
    return next((path.parts[n + 1] for n, part in enumerate(path.parts[:-1]) if part in INSTALLED), "")


@functools.cache
def _python() -> Path:
    return Path(os.path.realpath(sysconfig.get_path("stdlib")))


def is_in(root: Path, filename: str | Path) -> bool:
    """Whether a file is code of the project in `root`. Installed packages and hidden folders in there are not."""
    path = Path(filename)
    hidden = path.is_relative_to(root) and any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.is_relative_to(root) and not hidden and owner(str(path)) is Owner.USER


# --- of what a project raised


def shown(error: BaseException, root: Path) -> str:
    """The traceback from the first frame of the project in `root` on, for the error and for each of its causes.

    An error without such a frame is shown whole.
    """
    report = traceback.TracebackException.from_exception(error)
    for each in _chain(report):
        own = [number for number, frame in enumerate(each.stack) if is_in(root, frame.filename)]
        if own or hasattr(each, "lineno"):  # a SyntaxError, whose line is not a frame
            since = own[0] if own else len(each.stack)
            kept = [f for f in each.stack[since:] if owner(f.filename) not in (Owner.PLUGIN, Owner.MACHINERY)]
            each.stack[:] = kept
    return "".join(report.format())


def _chain(report: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """The error, its causes, and the members of exception groups."""
    found, todo = set(), [report]
    while todo:
        each = todo.pop()
        if id(each) not in found:
            found.add(id(each))
            yield each
            more = (each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or ()))
            todo += [one for one in more if one is not None]


def cause_in_project(error: ProjectError) -> str:
    """The traceback of the project's error that caused this one; empty if the project's code raised nothing."""
    cause = error.__cause__
    if cause is None:
        return ""
    own = any(is_in(error.root, frame.filename) for frame in traceback.extract_tb(cause.__traceback__))
    if not own and not isinstance(cause, SyntaxError):
        return ""  # raised by the plugin over one of the project's files: the sentence is enough
    return shown(cause, error.root)


def lacked_environment(error: BaseException, root: Path) -> bool:
    """Whether code of the project in `root` failed for want of a variable, or botocore's for want of a region."""
    files = _files(error)
    deployed = any(Path(each) == root / "app.py" or Path(each).is_relative_to(root / "chalicelib") for each in files)
    return deployed and (unset_variable(error) is not None or type(error).__module__.startswith("botocore."))


def unset_variable(error: BaseException) -> str | None:
    """The variable that os.environ lacks, if that is the error."""
    files = _files(error)
    return str(error.args[0]) if isinstance(error, KeyError) and files and files[-1] in ENVIRON else None


PLACEHOLDERS = {
    "TABLE": "{table:Name}",
    "QUEUE": "{queue:name}",
    "TOPIC": "{topic:name}",
    "BUCKET": "{bucket:name}",
    "DOMAIN": "{websocket:domain}",
    "JWKS": "{token:jwks_url}",
    "SECRET": "{token:secret}",
}
"""Placeholders by a word in the name of the variable that probably needs them."""


def set_it(variable: str) -> str:
    """Advice on a variable that is not set."""
    words = variable.upper().split("_")
    likely = next((value for word, value in PLACEHOLDERS.items() if word in words), "")
    example = f', perhaps as {variable} = "{likely}"' if likely else ""
    return (
        f"{variable} is not set: give it in [tool.sessionplugin.env]{example}, or for every stage as "
        "environment_variables in .chalice/config.json."
    )


def advice_on_import(error: BaseException) -> str:
    """Advice on an error that an import of the project raised; empty where the error says it all."""
    if (name := unset_variable(error)) is not None:
        return f". {set_it(name)}"
    if isinstance(error, ImportError) and "circular import" in str(error):
        return ". Let neither module import the other at its top: import inside the function, or move what both use."
    return ""


def _files(error: BaseException) -> list[str]:
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__)]


def of_function(error: BaseException) -> traceback.TracebackException:
    """The traceback from where the plugin ran the function on, without pytest's frames before it."""
    report = traceback.TracebackException.from_exception(error)
    ours = [owner(frame.filename) is Owner.PLUGIN for frame in report.stack]
    if True in ours:
        begun = ours.index(True)
        behind = begun + ours[begun:].index(False) if False in ours[begun:] else len(ours)
        del report.stack[:behind]
    return report


# --- of what a test raised


def is_shown_whole(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether the error is a bug of the plugin: raised there, without a `raise` statement."""
    last = steps_of(excinfo.tb)[-1]
    ours = owner(_file(last)) is Owner.PLUGIN
    return ours and not (isinstance(excinfo.value, GatewayWarning) or is_raised(last))


def is_raised(step: TracebackType) -> bool:
    """Whether a `raise` statement of the plugin raised the error there."""
    file = _file(step)
    return owner(file) is Owner.PLUGIN and linecache.getline(file, step.tb_lineno).split()[:1] == ["raise"]


def without_plugin(excinfo: pytest.ExceptionInfo[BaseException]) -> TracebackType | None:
    """The traceback without the plugin's frames; None if nothing is left of it.

    An error of the AWS SDK ends at the line of the test or the project that called it.
    """
    if _package(Path(os.path.realpath(_file(steps_of(excinfo.tb)[-1])))) in SDK:
        return to_last_line(excinfo)
    raised = owner(str(excinfo.traceback[-1].path)) is Owner.PLUGIN

    def is_hidden(file: str) -> bool:
        between = file in BETWEEN or _package(Path(os.path.realpath(file))) in CLIENTS
        return owner(file) is Owner.PLUGIN or (raised and between)

    return _without(excinfo.tb, is_hidden)


def to_last_line(excinfo: pytest.ExceptionInfo[BaseException]) -> TracebackType | None:
    """The traceback up to the last line of the project or its tests, without the plugin's frames before it."""
    steps = steps_of(excinfo.tb)
    while steps and owner(_file(steps[-1])) is not Owner.USER:
        steps.pop()
    return _linked(each for each in steps if owner(_file(each)) is not Owner.PLUGIN)


def last_frame(excinfo: pytest.ExceptionInfo[BaseException]) -> TracebackType | None:
    """The traceback's last step alone: pytest parses the file of each one that it shows."""
    return _linked(steps_of(excinfo.tb)[-1:])


def hides_cause(excinfo: pytest.ExceptionInfo[BaseException], root: Path) -> bool:
    """Whether the cause is internal to the plugin, or is shown in a section of its own. `root` contains the tests."""
    if owner(str(excinfo.traceback[-1].path)) is not Owner.PLUGIN:
        return False
    return isinstance(excinfo.value, ProjectError) or not _is_of_test(excinfo.value.__cause__, root)


def is_in_test(excinfo: pytest.ExceptionInfo[BaseException], root: Path) -> bool:
    """Whether a line of a test or fixture led to the error, and so is worth showing."""
    return any(is_in(root, _file(each)) for each in steps_of(excinfo.tb))


def sections(error: BaseException) -> list[tuple[str, str]]:
    """Report sections for the error: the traceback of the project's code, if that raised."""
    if isinstance(error, ProjectError) and (cause := cause_in_project(error)):
        return [("raised in the project", cause)]
    return []


def _is_of_test(cause: BaseException | None, root: Path) -> bool:
    """Whether the cause was raised by a line of the test itself."""
    if cause is None or isinstance(cause, SessionPluginError):
        return False
    return any(is_in(root, _file(each)) for each in steps_of(cause.__traceback__))


def _without(trace: TracebackType | None, is_hidden: Callable[[str], bool]) -> TracebackType | None:
    return _linked(each for each in steps_of(trace) if not is_hidden(_file(each)))


def _linked(steps: Iterable[TracebackType]) -> TracebackType | None:
    """A traceback of these steps."""
    short = None
    for each in reversed([*steps]):
        short = TracebackType(short, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return short


def steps_of(trace: TracebackType | None) -> list[TracebackType]:
    steps = []
    while trace is not None:
        steps.append(trace)
        trace = trace.tb_next
    return steps


def _file(step: TracebackType) -> str:
    return step.tb_frame.f_code.co_filename

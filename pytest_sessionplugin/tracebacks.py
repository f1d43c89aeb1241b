"""The traceback of what a project raised, as its author wants to read it: without the frames that ran its code."""

from __future__ import annotations

import contextlib
import functools
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.errors import GatewayWarning, ProjectError, SessionPluginError

if TYPE_CHECKING:
    import pytest


HERE = Path(__file__).parent
INSTALLED = frozenset({"site-packages", "dist-packages"})
MACHINERY = frozenset({"boto3", "botocore", "chalice", "moto"})
"""Packages through which an app is called and calls; what went wrong there is in the last line."""


def shown(error: BaseException, root: Path) -> str:
    """From the first line of the project in `root` on, and so for each error that it came from.

    Whole, if no line of the project is in it.
    """
    report = traceback.TracebackException.from_exception(error)
    for each in _chain(report):
        own = [number for number, frame in enumerate(each.stack) if is_in(root, frame.filename)]
        if own or hasattr(each, "lineno"):  # a SyntaxError, whose line is no frame
            since = own[0] if own else len(each.stack)
            kept = [frame for frame in each.stack[since:] if not _is_machinery(frame.filename)]
            each.stack = traceback.StackSummary.from_list(kept)
    return "".join(report.format())


def is_in(root: Path, filename: str) -> bool:
    """Whether it is code of the project, and none that is installed there."""
    path = Path(filename)
    return path.is_relative_to(root) and not INSTALLED.intersection(path.parts) and HERE not in path.parents


def _is_machinery(filename: str) -> bool:
    parts = Path(filename).parts
    package = next((parts[number + 1] for number, part in enumerate(parts[:-1]) if part in INSTALLED), "")
    return package in MACHINERY or HERE in Path(filename).parents or filename.startswith("<frozen importlib")


def _chain(report: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """The error, and those that it came from or is made of."""
    found, todo = set(), [report]
    while todo:
        each = todo.pop()
        if id(each) not in found:
            found.add(id(each))
            yield each
            more = (each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or ()))
            todo += [one for one in more if one is not None]


def cause_in_project(error: ProjectError) -> str:
    """The traceback of what the project's code raised, from its own first line on; nothing if it raised nothing."""
    cause = error.__cause__
    if cause is None:
        return ""
    own = any(is_in(error.root, frame.filename) for frame in traceback.extract_tb(cause.__traceback__))
    if not own and not isinstance(cause, SyntaxError):
        return ""  # raised by us over a file of theirs: the sentence says it all
    return shown(cause, error.root)


def frames(error: BaseException) -> list[str]:
    """Those of the app, the outermost first, each as Python writes it."""
    return _of_the_app(error).stack.format()


def _of_the_app(error: BaseException) -> traceback.TracebackException:
    """From where the kit ran the function on: what runs the kit, pytest above all, says nothing of it."""
    report = traceback.TracebackException.from_exception(error)
    ours = [Path(frame.filename).is_relative_to(HERE) for frame in report.stack]
    if True in ours:
        begun = ours.index(True)
        behind = begun + ours[begun:].index(False) if False in ours[begun:] else len(ours)
        report.stack = traceback.StackSummary.from_list(report.stack[behind:])
    return report


BETWEEN = frozenset({contextlib.__file__, functools.__file__})
"""What stands between two frames of the kit, or between the test and the first."""


@contextlib.contextmanager
def shortened(call: pytest.CallInfo[Any], root: Path) -> Iterator[None]:
    """Makes the error of a call short for whoever reports it in the block. `root` is where the lines of the test are.

    What merely happened in the kit is a slip of the kit, and stays whole.
    """
    excinfo = call.excinfo
    assert excinfo is not None  # noqa: S101 - for the types
    error, last = excinfo.value, excinfo.traceback[-1]
    raised = _is_ours(Path(last.path))
    if raised and not (isinstance(error, GatewayWarning) or str(last.statement).lstrip().startswith("raise")):
        yield
        return
    cause, suppressed = error.__cause__, error.__suppress_context__
    if short := _without_ours(excinfo.tb, raised):
        call.excinfo = type(excinfo).from_exc_info((type(error), error, short))
    if raised and (isinstance(error, ProjectError) or not _is_told_by(cause, root)):  # a project's is a section
        error.__cause__ = None  # which suppresses the context, too
    try:
        yield
    finally:
        error.__cause__, error.__suppress_context__ = cause, suppressed
        call.excinfo = excinfo


def is_in_test(excinfo: pytest.ExceptionInfo[BaseException], root: Path) -> bool:
    """Whether a line of somebody's test or fixture asked for it, so that this line is worth showing."""
    return any(_is_theirs(_path(each), root) for each in _steps(excinfo.tb))


def sections(error: BaseException) -> list[tuple[str, str]]:
    """What goes under the sentence: the traceback of what the project's code raised."""
    if isinstance(error, ProjectError) and (cause := cause_in_project(error)):
        return [("raised in the project", cause)]
    return []


def _is_told_by(cause: BaseException | None, root: Path) -> bool:
    """Whether the cause says something of the test's own lines."""
    if cause is None or isinstance(cause, SessionPluginError):
        return False
    return any(_is_theirs(_path(each), root) for each in _steps(cause.__traceback__))


def _without_ours(trace: TracebackType | None, raised: bool) -> TracebackType | None:
    short = None
    for each in reversed(_steps(trace)):
        if not (_is_ours(_path(each)) or (raised and str(_path(each)) in BETWEEN)):
            short = TracebackType(short, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return short


def _steps(trace: TracebackType | None) -> list[TracebackType]:
    steps = []
    while trace is not None:
        steps.append(trace)
        trace = trace.tb_next
    return steps


def _path(step: TracebackType) -> Path:
    return Path(step.tb_frame.f_code.co_filename)


def _is_theirs(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) and not _is_ours(path) and "site-packages" not in path.parts


def _is_ours(path: Path) -> bool:
    return path.is_relative_to(HERE)

"""What a failed test shows of an error: lines of the test and the app, and a sentence. No frames of the kit."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.errors import GatewayWarning, ProjectError, SessionPluginError, cause_in_project

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent
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

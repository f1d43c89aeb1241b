"""The traceback of what a project raised, as its author wants to read it: without the frames that ran its code."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

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

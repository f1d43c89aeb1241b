"""Runs at the start of a Python child process, and leads its calls of AWS to the process that started it.

Python 3 of any age may come by here: what cannot import the plugin goes on without it. Another `sitecustomize` on the
path, of the machine or of coverage, runs afterwards.
"""

import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))


def lead() -> None:
    """Needs the plugin on sys.path only for a moment: the interpreter may be of another environment."""
    account = os.environ.get("SESSIONPLUGIN_ACCOUNT")
    if not account:
        return
    root = os.path.dirname(os.path.dirname(os.path.dirname(FOLDER)))
    sys.path.insert(0, root)  # the version that started this process
    try:
        from pytest_sessionplugin.children.starts import adopt
    except (ImportError, SyntaxError):
        return
    finally:
        sys.path.remove(root)
    adopt(account)


def run_the_next() -> None:
    """Runs the `sitecustomize` that this one hides."""
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != FOLDER]
    mine = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = mine


if __name__ == "sitecustomize":
    lead()
    run_the_next()

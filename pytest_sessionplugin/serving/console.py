"""Messages of `serve` on stderr: its own, and tracebacks of what the app raises. Clients see none of them."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin import tracebacks
from pytest_sessionplugin.account.trace import ADVICE
from pytest_sessionplugin.errors import GatewayWarning

if TYPE_CHECKING:
    from pytest_sessionplugin.gateway.values import Invoke, RunFunction
    from pytest_sessionplugin.lambdas.threads import Left


BOLD, RED, GREEN, YELLOW = "1", "31", "32", "33"
UNAUTHORIZED = "Unauthorized"
"""An authorizer raises this text for a 401, letter by letter; it is an answer and not a bug."""


def tell(sentence: str) -> None:
    write(f"sessionplugin: {sentence}\n")


def coloured(text: str, colour: str) -> str:
    """Coloured on a terminal, unless NO_COLOR is set (no-color.org)."""
    return f"\033[{colour}m{text}\033[0m" if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else text


def failed(what: str, error: BaseException, root: Path) -> None:
    write(f"\n{coloured(f'{what} failed:', RED)}\n{tracebacks.shown(error, root)}\n")


def shown(functions: RunFunction, root: Path, authorizers: Collection[str]) -> RunFunction:
    """The same functions, with tracebacks shown. `authorizers` names those that answer by raising Unauthorized."""

    def run(invoke: Invoke) -> Any:
        try:
            return functions(invoke)
        except (Exception, SystemExit) as error:
            if invoke.function not in authorizers or str(error) != UNAUTHORIZED:
                failed(invoke.function, error, root)
            raise

    return run


def of_views(root: Path) -> Callable[[str, BaseException], None]:
    """Shows what a view raises: Chalice turns it into a 500, so that the function itself does not fail."""
    return lambda request, error: failed(request, error, root)


def write(text: str) -> None:
    """Writes in one piece, so that messages of two threads do not mix."""
    sys.stderr.write(text)
    sys.stderr.flush()


class Console:
    """The notebook of a served account: prints lost events and left threads. Keeps only warnings about the app."""

    def __init__(self) -> None:
        self.facts: Sequence[str] = ()  # the last warnings, as sentences
        self._explained: set[str] = set()

    @contextmanager
    def describing(self) -> Iterator[None]:
        """Collects the warnings of the block."""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", GatewayWarning)
            yield
        said = [each.message for each in warned]
        self.facts = [f"{each.fact}." if isinstance(each, GatewayWarning) else str(each) for each in said]

    def observe(self, at: float, text: str) -> None:
        """Prints nothing: this is for the trace of a test."""

    def warn(self, sentence: str) -> None:
        tell(sentence)

    def explain(self, why: str) -> None:
        """Explains the answer to a call of @connections, each reason once."""
        if why not in self._explained:
            self._explained.add(why)
            tell(f"403: {why}. {ADVICE}")

    def leave(self, left: Left) -> None:
        tell(f"{left}")

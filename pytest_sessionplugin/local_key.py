"""The key of a checkout: `serve` and `token` share it through a file that only its owner can read."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pytest_sessionplugin.errors import ProjectError
from pytest_sessionplugin.tokens import Key

PREFIX = "local-"
"""Marks a secret as one of a checkout, so that a service can refuse it where it is deployed."""

READ_SECONDS = 2.0


def local_key(root: Path, algorithm: str) -> Key:
    """The key in <root>/.chalice/local.key, made on first use. Two processes at once get the same one."""
    path = root / ".chalice" / "local.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        text = _read(path)
    except OSError as error:
        raise ProjectError(root, f"{path} cannot be made: {error.strerror}.") from error
    else:
        made = Key.new(algorithm).private
        text = PREFIX + made if algorithm == "HS256" else made
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text.strip() + "\n")
    if ("PRIVATE KEY" in text) != (algorithm != "HS256"):
        raise ProjectError(root, f"{path} holds no key for {algorithm}; delete it, and a new one is made.")
    return Key(algorithm, text.strip(), None if algorithm == "HS256" else "local")


def _read(path: Path) -> str:
    """Its text; who made it may not have written it yet."""
    give_up = time.monotonic() + READ_SECONDS
    while not (text := _text(path)):
        if time.monotonic() > give_up:
            raise ProjectError(path.parent.parent, f"{path} is empty; delete it, and a new one is made.")
        time.sleep(0.01)
    return text


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise ProjectError(path.parent.parent, f"{path} holds no key; delete it, and a new one is made.") from error
    except OSError as error:
        raise ProjectError(path.parent.parent, f"{path} cannot be read: {error.strerror}.") from error

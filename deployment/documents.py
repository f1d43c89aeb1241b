"""Reads a JSON file of the project as one object, and refuses duplicate keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deployment.errors import DeploymentError


class _Twice(Exception):
    """A key that occurs twice in an object. A reader may see one of the two; JSON uses the other."""


def read(path: Path) -> dict[str, Any]:
    """The object in the file. Raises DeploymentError."""
    try:
        text = path.read_text(encoding="utf-8")
        if text.startswith("\ufeff"):
            raise DeploymentError(f"{path} begins with a byte order mark: save it as UTF-8 without one.")
        found = json.loads(text, object_pairs_hook=_once)
    except OSError as error:
        raise DeploymentError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DeploymentError(f"{path} is not JSON: {error}.") from error
    except _Twice as error:
        raise DeploymentError(f"{path} has {error} twice in one object: remove one of them.") from error
    if not isinstance(found, dict):
        raise DeploymentError(f"{path} does not hold an object.")
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise _Twice(key)
        made[key] = value
    return made

"""Errors that stop a deployment. Each message is a sentence that says what to do."""

from __future__ import annotations

from typing import Final

REPEAT: Final = "Fix that and run the same command again: it continues from here."


class DeploymentError(Exception):
    """The deployment cannot go on; nothing is broken. The message says what to do."""

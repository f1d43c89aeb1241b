"""What stops a deployment, as sentences that say what to do."""

from __future__ import annotations

from typing import Final

REPEAT: Final = "Once that is mended, the same command goes on from here."


class DeploymentError(Exception):
    """Nothing was broken by going on; the message says what to do."""

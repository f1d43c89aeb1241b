"""What stops a deployment, as sentences that say what to do."""

from __future__ import annotations


class DeploymentError(Exception):
    """Nothing was broken by going on; the message says what to do."""

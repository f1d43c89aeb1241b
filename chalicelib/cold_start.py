"""What a function of Lambda imports ahead of its first request. Calls nobody, and reads no setting."""

from __future__ import annotations

import importlib
from typing import Final

NEEDED: Final = (
    "chalicelib.auth",  # PyJWT
    "chalicelib.service",  # botocore
    "aws_lambda_powertools.logging.formatter",  # of logs.py
    "aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch",  # of emf.py
)


def prepare() -> None:
    """Imports what the first request of nearly each function needs.

    Where Lambda initializes a function ahead of its first request, nobody waits for it. Elsewhere, in `chalice package`
    and in tests, it is left to the first request, so that to import `app.py` stays quick.
    """
    for name in NEEDED:
        importlib.import_module(name)

"""All checks that ask the account, in the order of the report."""

from __future__ import annotations

from typing import Final

from deployment.doctor.account import identity, logs, quotas, tokens

CHECKS: Final = (
    *identity.CHECKS,
    *tokens.CHECKS,
    *quotas.CHECKS,
    *logs.CHECKS,
)

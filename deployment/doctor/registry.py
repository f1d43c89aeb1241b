"""All checks, in the order of the report."""

from __future__ import annotations

from typing import Final

from deployment.doctor import apis, functions, origins, permissions, project, tables, tokens, watching

CHECKS: Final = (
    *project.CHECKS,
    *functions.CHECKS,
    *tokens.CHECKS,
    *origins.CHECKS,
    *apis.CHECKS,
    *tables.CHECKS,
    *permissions.CHECKS,
    *watching.CHECKS,
)

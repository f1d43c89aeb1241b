"""All checks, in the order of the report."""

from __future__ import annotations

from typing import Final

from deployment.doctor import apis, functions, origins, permissions, project, tables, tokens
from deployment.doctor.account import key, quotas, standing
from deployment.doctor.topics import topics

CHECKS: Final = (
    *(project.stage, project.app, project.runtime, project.lock, permissions.policies),
    *(functions.environment, tokens.references, tokens.values, tokens.issuer, tokens.key_set),
    *(origins.cors, origins.exact, origins.of_a_kept_stage),
    *(apis.access_log_formats, apis.data_trace, apis.gateway_responses),
    *(functions.debugging, functions.timeout, tables.names, tables.expiry, tables.protection),
    *(apis.throttles, topics),
)
CHECKS_OF_ACCOUNT: Final = (
    key.kept,
    quotas.quotas,
    standing.logs,
    standing.names,
    standing.notified,
    standing.identity,
)
"""Checks that ask the account. A result replaces that of the check of the files with the same id."""

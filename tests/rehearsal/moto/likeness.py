"""Compares two accounts without the values that AWS generates: ids, dates, digests."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.rehearsal.moto.read_back import Account

DATES = {"createdDate", "lastUpdatedDate", "CreatedDate", "LastUpdatedDate", "LastModified", "LastModifiedDate"}
DATES |= {"CreateDate", "creationTime", "CreationDateTime"}
DATES |= {"AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp"}
IDS = {"id", "RoleId", "Sid", "deploymentId", "DeploymentId", "TableId", "rootResourceId", "RevisionId"}
MADE_UP = DATES | IDS | {"CodeSha256", "CodeSize"}
"""Names of fields."""


def likeness(account: Account) -> Any:
    """Equal for two accounts with the same contents."""
    named = {account.rest.id: "REST", account.websocket.id: "WEBSOCKET"}
    return _like(dataclasses.asdict(account), named)


def _like(value: Any, named: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {_like(key, named): _like(one, named) for key, one in value.items() if key not in MADE_UP}
    if isinstance(value, list):
        return [_like(one, named) for one in value]
    if isinstance(value, str):
        for made_up, name in named.items():
            value = value.replace(made_up, name)
    return value

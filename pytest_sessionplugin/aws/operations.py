"""Which calls AWS has, by botocore's own models: a name with a mistake in it would be met by no call."""

from __future__ import annotations

import functools
import os
from typing import Any

from pytest_sessionplugin.errors import UnknownName


def check(name: str) -> None:
    """Raises UnknownName if AWS has no such service, `dynamodb`, or operation of one, `dynamodb:UpdateItem`."""
    service, _, operation = name.partition(":")
    operations = _operations(service)
    if operation and operation not in operations:
        raise UnknownName(f"operation of {service} named", operation, operations)


@functools.cache
def _operations(service: str) -> tuple[str, ...]:
    services = _loader().list_available_services("service-2")
    if service not in services:
        raise UnknownName("service of AWS named", service, services)
    return tuple(_loader().load_service_model(service, "service-2")["operations"])


@functools.cache
def _loader() -> Any:
    from botocore.loaders import create_loader

    return create_loader(os.environ.get("AWS_DATA_PATH"))

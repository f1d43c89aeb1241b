"""Runs inside the functions on MiniStack, put beside an app by the adapter: calls of @connections stay on MiniStack.

Chalice builds the address from the API's id, others from `domainName`; both name hosts that lead to AWS or nowhere.
No variable of botocore changes that, since both say their endpoint outright.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from botocore.session import Session

_create_client = Session.create_client


def create_client(self: Session, service_name: str, *arguments: Any, **options: Any) -> Any:
    url = urlsplit(options.get("endpoint_url") or "")
    api, dot, _ = (url.hostname or "").partition(".execute-api.")
    if service_name == "apigatewaymanagementapi" and dot:
        options["endpoint_url"] = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api/{api}{url.path}"
    return _create_client(self, service_name, *arguments, **options)


Session.create_client = create_client  # type: ignore[method-assign]  # in a function of MiniStack, for good

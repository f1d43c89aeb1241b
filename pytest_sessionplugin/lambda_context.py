"""What Lambda gives a handler besides its event. Knows nothing of Chalice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class LambdaContext:
    """The context object of one invocation (AWS: "Using the Lambda context object", Python)."""

    function_name: str
    aws_request_id: str
    memory_limit_in_mb: int
    timeout: float  # seconds
    region: str
    account_id: str
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)
    function_version: str = "$LATEST"
    identity: Any = None
    client_context: Any = None

    def __post_init__(self) -> None:
        self._deadline = self.monotonic() + self.timeout

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        return f"[{self.function_version}]{self.aws_request_id.replace('-', '')}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - self.monotonic()) * 1000))

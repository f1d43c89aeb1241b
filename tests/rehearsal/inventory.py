"""An inventory of an account, by all operations that can be called without a name.

The operations are found in botocore's models: everything that lists, describes or gets and needs no argument. Those
that answer differently twice in an empty account are left out. A change of an answer is a resource that was added or
removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.emulators.ministack.workarounds import STALE

ASKS = re.compile(r"(List|Describe|Get)")
HISTORY = {"cloudformation:ListStacks", "cloudwatch:DescribeAlarmHistory", "cloudwatch:ListMetrics"}
"""Answers that cannot be cleared, on AWS either: the history of stacks and alarms, and metrics, which expire."""
SERVICES = (
    *("account", "acm", "apigateway", "apigatewayv2", "application-autoscaling", "athena", "autoscaling", "backup"),
    *("batch", "cloudformation", "cloudfront", "cloudtrail", "cloudwatch", "codebuild", "cognito-idp", "config"),
    *("dynamodb", "dynamodbstreams", "ec2", "ecr", "ecs", "elbv2", "events", "firehose", "iam", "kinesis", "kms"),
    *("lambda", "logs", "pipes", "resource-groups", "resourcegroupstaggingapi", "route53", "s3", "scheduler"),
    *("secretsmanager", "servicediscovery", "ses", "sesv2", "sns", "sqs", "ssm", "stepfunctions", "wafv2"),
)
"""Services in which a serverless stage could leave something, and that MiniStack implements."""

Answers = Mapping[str, str]
"""Answers as JSON, by `service:Operation`."""


class Inventory:
    """The inventory of one account. `session` is boto3's."""

    def __init__(self, session: Any, url: str) -> None:
        self._url = url
        self._config = Config(retries={"total_max_attempts": 1}, read_timeout=10, inject_host_prefix=False)
        with ThreadPoolExecutor(4) as several:
            self._clients = dict(
                zip(SERVICES, several.map(lambda one: self._client(session, one), SERVICES), strict=True)
            )
        asked = {service: questions(client) for service, client in self._clients.items()}
        first, second = self._answers(asked), self._answers(asked)
        self.empty: Answers = {what: answer for what, answer in first.items() if second.get(what) == answer}
        """Answers of the account at the start."""
        self._asked = {
            service: [one for one in ones if f"{service}:{one}" in self.empty] for service, ones in asked.items()
        }

    def differences(self) -> dict[str, tuple[str, str]]:
        """Questions whose answers have changed, with the old and the new answer."""
        now = self._answers(self._asked)
        return {
            what: (then, now.get(what, "no answer"))
            for what, then in self.empty.items()
            if now.get(what) != then and what not in HISTORY and what not in STALE
        }

    def _client(self, session: Any, service: str) -> Any:
        return session.client(service, endpoint_url=self._url, config=self._config)

    def _answers(self, asked: Mapping[str, list[str]]) -> Answers:
        def ask(service: str) -> dict[str, str]:
            client = self._clients[service]
            answers = {f"{service}:{one}": answer_of(client, one) for one in asked[service]}
            return {what: answer for what, answer in answers.items() if answer is not None}

        with ThreadPoolExecutor(4) as several:
            return {what: answer for some in several.map(ask, asked) for what, answer in some.items()}


def questions(client: Any) -> list[str]:
    """Operations that need no argument and change nothing."""
    model = client.meta.service_model
    found = []
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        if ASKS.match(name) and not (shape is not None and shape.required_members):
            found.append(name)
    return found


def answer_of(client: Any, operation: str) -> str | None:
    """The content of an answer without its metadata; None if it has none."""
    try:
        answer = getattr(client, xform_name(operation))()
    except (ClientError, BotoCoreError):
        return None
    del answer["ResponseMetadata"]
    said = {name: value for name, value in answer.items() if value not in ("", None)}  # as good as not said
    return json.dumps(said, default=str, sort_keys=True)

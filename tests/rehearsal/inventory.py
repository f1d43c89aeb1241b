"""What an account has, by all that it can be asked without being told a name. It knows no service by itself.

Every operation that lists, describes or gets and needs no argument is a question; one that an empty account answers
the same way twice is worth asking again. What stands in an account changes an answer.
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
"""What nobody can delete, on AWS neither: what became of stacks and alarms, and metrics, which leave by themselves."""
SERVICES = (
    *("account", "acm", "apigateway", "apigatewayv2", "application-autoscaling", "athena", "autoscaling", "backup"),
    *("batch", "cloudformation", "cloudfront", "cloudtrail", "cloudwatch", "codebuild", "cognito-idp", "config"),
    *("dynamodb", "dynamodbstreams", "ec2", "ecr", "ecs", "elbv2", "events", "firehose", "iam", "kinesis", "kms"),
    *("lambda", "logs", "pipes", "resource-groups", "resourcegroupstaggingapi", "route53", "s3", "scheduler"),
    *("secretsmanager", "servicediscovery", "ses", "sesv2", "sns", "sqs", "ssm", "stepfunctions", "wafv2"),
)
"""Those in which a stage of a serverless application could leave something, and that MiniStack answers for."""

Answers = Mapping[str, str]
"""By `service:Operation`, as JSON."""


class Inventory:
    """Of one account. `session` is boto3's."""

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
        """Of the account as it was at the start."""
        self._asked = {
            service: [one for one in ones if f"{service}:{one}" in self.empty] for service, ones in asked.items()
        }

    def differences(self) -> dict[str, tuple[str, str]]:
        """The questions that are answered otherwise than at the start: then and now."""
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
    """The operations that can be asked without an argument and change nothing."""
    model = client.meta.service_model
    found = []
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        if ASKS.match(name) and not (shape is not None and shape.required_members):
            found.append(name)
    return found


def answer_of(client: Any, operation: str) -> str | None:
    """What is answered, without what belongs to the answering; None if nothing is."""
    try:
        answer = getattr(client, xform_name(operation))()
    except (ClientError, BotoCoreError):
        return None
    del answer["ResponseMetadata"]
    said = {name: value for name, value in answer.items() if value not in ("", None)}  # as good as not said
    return json.dumps(said, default=str, sort_keys=True)

"""Checks of what else stands in the account: the role for access logs, the topics, and other people's resources."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from deployment import guards
from deployment import logs as access_logs
from deployment.doctor.account.account import Account
from deployment.doctor.apis import GUIDE
from deployment.doctor.check import Note, answers, check
from deployment.doctor.topics import TOPIC, topics
from deployment.errors import DeploymentError
from deployment.stacks import Stacks

DEFAULT_KEY: Final = "alias/aws/sns"
"""AWS's own key for topics, which CloudWatch may not use:

https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
"""


@check(
    "identity",
    "AWS says that this is the stage's account and region",
    "https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html",
)
def identity(account: Account) -> Iterator[str]:
    """Comes last: it fails as well if no check before it got an answer."""
    stage, place = account.findings.stage, account.identity
    if isinstance(place, DeploymentError):
        yield f"{str(place).rstrip('.')}."
    elif (stage.account or place.account, stage.region or place.region) != (place.account, place.region):
        yield f"Account {place.account}, {place.region} is asked; the stage names {stage.account}, {stage.region}."
    elif not account.answered:
        yield f"Account {place.account}, {place.region} answered none of the other checks."
    else:
        yield Note(f"Account {place.account}, {place.region}.")


@check("logs", "API Gateway has a working role for access logs", f"{GUIDE}/set-up-logging.html")
def logs(account: Account) -> Iterator[str]:
    with account.asking() as aws:
        role = access_logs.role(aws)
    if role is None and account.stands:
        yield "API Gateway has no working role for access logs: deploy again."
    elif role is None:
        yield Note("API Gateway has no working role for access logs: the first deploy makes it.")


@check(
    "names",
    "Everything with a name of the stage is part of its stacks",
    "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-manually.html",
)
def names(account: Account) -> Iterator[str]:
    stage = account.findings.stage
    with account.asking() as aws:
        try:
            guards.refuse_names(aws, stage, Stacks(aws))
        except DeploymentError as error:
            yield " ".join(str(error).split())


@check(topics.id, topics.title, topics.source)
def notified(account: Account) -> Iterator[str]:
    """Includes the check of the files, whose result it replaces."""
    asked = (partial(_topic, account, one) for one in account.findings.stage.alarm_topics.every)
    return answers([partial(topics.examine, account.findings), *asked])


def _topic(account: Account, arn: str) -> Iterator[str]:
    found = TOPIC.fullmatch(arn)
    if found is None:
        return
    told = account.find("sns", "get_topic_attributes", region=found["region"], TopicArn=arn)
    if told is None:
        yield f"The topic {arn} is not there: make it, or name another in alarm_topics."
    elif told["Attributes"].get("KmsMasterKeyId", "").endswith(DEFAULT_KEY):
        yield f"The topic {arn} is encrypted with {DEFAULT_KEY}, so alarms cannot notify it: use a key of your own."
    elif told["Attributes"].get("SubscriptionsConfirmed") == "0":
        yield f"The topic {arn} has no confirmed subscription: subscribe somebody to it."

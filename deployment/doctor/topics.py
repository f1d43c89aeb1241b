"""Check of who is notified by the alarms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from deployment.doctor.check import Note, check
from deployment.doctor.findings import Findings

TOPIC: Final = re.compile(r"arn:aws[\w-]*:sns:(?P<region>[a-z0-9-]+):\d{12}:[\w-]+(?P<fifo>\.fifo)?", re.ASCII)


@check(
    "alarm-topics",
    "Alarms notify somebody",
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html",
)
def topics(findings: Findings) -> Iterator[str]:
    stage = findings.stage
    if not stage.alarm_topics.every:
        yield Note("The alarms notify nobody: name SNS topics by their ARN in alarm_topics, .chalice/operations.json.")
    for one in stage.alarm_topics.every:
        found = TOPIC.fullmatch(one)
        if found is None:
            yield f"{one} in alarm_topics is not the ARN of an SNS topic."
        elif found["fifo"]:
            yield f"{one} in alarm_topics is a FIFO topic, and CloudWatch notifies standard topics only."
        elif stage.region not in (None, found["region"]):
            yield f"{one} in alarm_topics is not in {stage.region}: an alarm notifies topics of its own region."

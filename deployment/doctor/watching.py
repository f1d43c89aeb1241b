"""Checks of who is notified by the alarms."""

from __future__ import annotations

import re
from typing import Final

from deployment.doctor.check import OK, Check, Verdict, failed, note
from deployment.doctor.findings import Findings

TOPIC: Final = re.compile(r"arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?", re.ASCII)


def topics(findings: Findings) -> Verdict:
    named = findings.stage.alarm_topics.every
    if not named:
        return note(
            "The alarms notify nobody: name the ARN of an SNS topic in alarm_topics of .chalice/operations.json."
        )
    wrong = [one for one in named if not isinstance(one, str) or TOPIC.fullmatch(one) is None]
    return failed(f"{one} in alarm_topics is not the ARN of an SNS topic." for one in wrong) if wrong else OK


CHECKS: Final = (
    Check(
        "alarm-topics",
        "Alarms notify somebody",
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html",
        topics,
    ),
)

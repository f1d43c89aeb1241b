"""One alarm: a metric, its threshold, whom it calls, what it means and what to do first. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from deployment.monitoring.measures import Measure
from deployment.stage import Stage

PERIOD: Final = 300  # seconds; the sweep runs five times in one period


class Severity(Enum):
    """How soon somebody has to look. Each severity has SNS topics of its own."""

    PAGE = "page"  # at once, at night as well: clients are failed now, and waiting makes it worse
    TICKET = "ticket"  # in working hours: clients get by, or waiting changes nothing


@dataclass(frozen=True)
class Alarm:
    """`threshold` is the first value that is too high or, with `below`, the first that is not too low."""

    name: str  # the part after the name of the stage
    severity: Severity
    measure: Measure
    statistic: str
    threshold: float
    means: str
    first: str
    periods: int = 1
    of: int = 1
    """The alarm is on when this many of the last so many periods are over the threshold."""
    below: bool = False
    missing: str = "notBreaching"

    def full_name(self, stage: Stage) -> str:
        return f"{stage.full_name}-{self.name}"

    @property
    def logical_id(self) -> str:
        words = self.name.replace("_", "-").split("-")
        return "".join(word.capitalize() for word in words) + "Alarm"

    def resource(self, stage: Stage) -> dict[str, Any]:
        """The AWS::CloudWatch::Alarm. It notifies when it goes on and when it goes off."""
        topics = stage.alarm_topics.page if self.severity is Severity.PAGE else stage.alarm_topics.ticket
        statistic = "ExtendedStatistic" if self.statistic.startswith("p") else "Statistic"
        return {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": self.full_name(stage),
                "AlarmDescription": f"{self.means} First: {self.first}",
                "Namespace": self.measure.namespace,
                "MetricName": self.measure.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in self.measure.dimensions.items()],
                statistic: self.statistic,
                "Period": PERIOD,
                "EvaluationPeriods": self.of,
                "DatapointsToAlarm": self.periods,
                "Threshold": self.threshold,
                "ComparisonOperator": "LessThanThreshold" if self.below else "GreaterThanOrEqualToThreshold",
                "TreatMissingData": self.missing,
                "AlarmActions": list(topics),
                "OKActions": list(topics),
            },
        }

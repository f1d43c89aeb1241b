"""The alarms of a stage, each with its meaning and the first step to take. Pure values.

An alarm is about a symptom that clients or the tables notice; causes, such as the throttles of a table, are on the
dashboard. Missing data means that nothing happened, which is good except for the sweep: a stage may have no clients at
night. One period of five minutes is enough where each count is a bug, two or three where the platform itself fails now
and then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chalicelib import metrics
from chalicelib.errors import Unauthenticated
from chalicelib.model import Outcome
from deployment.monitoring import measures
from deployment.monitoring.alarm import Alarm, Severity
from deployment.stage import Function, Stage

DEADLINE: Final = 0.8
"""The share of a function's timeout that its slowest calls may take. A delivery stops after 20 of 29 s."""
ROLLBACK: Final = ("faults", "unavailables", "http-5xx", "http-latency", "websocket-execution-errors")
"""Alarms by which CloudFormation rolls an update back. It takes at most five, and each has to exist when it begins:

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-rollback-triggers.html
"""


def alarms(stage: Stage, websocket_api: Any) -> tuple[Alarm, ...]:
    """All alarms of a stage, the ones that clients notice first."""
    return (
        *_of_the_service(stage),
        *_of_the_gateway(stage, websocket_api),
        *_of_deliveries(stage),
        *_of_the_sweep(stage),
        *(alarm for function in stage.functions for alarm in _of_a_function(function)),
    )


def rollback_alarms(stage: Stage) -> tuple[str, ...]:
    """Names of the alarms that undo an update."""
    return tuple(alarm.full_name(stage) for alarm in alarms(stage, None) if alarm.name in ROLLBACK)


def _of_the_service(stage: Stage) -> Iterator[Alarm]:
    yield Alarm(
        name="faults",
        severity=Severity.PAGE,  # after a deploy it is the first sign of a bad version
        measure=measures.of_service(stage, metrics.FAULTS),
        statistic="Sum",
        threshold=1,  # each is a bug
        means="A bug: a client was answered 500, or internal_error over WebSocket.",
        first="run the saved query faults, which shows the traceback. If it came with a deploy, deploy the version "
        "before (make deploy VERSION=…).",
    )
    yield Alarm(
        name="unavailables",
        severity=Severity.PAGE,  # clients fail as long as it lasts
        measure=measures.of_service(stage, metrics.UNAVAILABLES),
        statistic="Sum",
        threshold=5,  # a single one may be a slow request to a table, which the client's retry mends
        periods=2,
        of=3,
        means="Clients are answered 503: the tables or the key store do not answer in time.",
        first="look at the tables on the dashboard: throttles, errors of DynamoDB, then at AWS Health. The log lines "
        "name the part that did not answer.",
    )
    yield Alarm(
        name="connects-unauthenticated",
        severity=Severity.TICKET,  # anybody can cause it, without a token
        measure=measures.of_service(stage, metrics.CONNECTS_REFUSED, by=Unauthenticated.code),
        statistic="Sum",
        threshold=100,  # clients retry every few seconds, so a failing client makes hundreds; ignore a stray one
        periods=3,
        of=3,
        means="Many handshakes have been refused for their credential for a quarter of an hour: a key was rotated on "
        "one side only, or a client retries with an expired token or a used ticket.",
        first="compare the key and issuer that the stage reads with the signer's. If they are right, find the client "
        "by the saved queries refused-handshakes and refused-handshakes-by-address.",
    )


def _of_the_gateway(stage: Stage, websocket_api: Any) -> Iterator[Alarm]:
    yield Alarm(
        name="http-5xx",
        severity=Severity.PAGE,  # clients fail as long as it lasts
        measure=measures.of_http(stage, "5XXError"),
        statistic="Sum",
        threshold=5,  # as for unavailables, which it also counts
        periods=2,
        of=3,
        means="The REST API answers 5xx: the service's own, and those that API Gateway makes when a function fails.",
        first="check whether the alarm of faults, of unavailables or of a function is on, and start there. If "
        "not, `error` in the access log of the REST API names the failure.",
    )
    yield Alarm(
        name="http-latency",
        severity=Severity.TICKET,  # slow answers are still answers
        measure=measures.of_http(stage, "Latency"),
        statistic="p99",
        threshold=5000,  # ms; a cold start or a change delivered to some thousand sockets stays below it
        periods=3,
        of=3,
        means="One request in a hundred has taken over five seconds for a quarter of an hour.",
        first="find the slow operation by the saved query slow-operations. If it delivers frames, look at deliveries; "
        "if all are slow, at the tables; else at an X-Ray trace.",
    )
    yield Alarm(
        name="websocket-execution-errors",
        severity=Severity.PAGE,  # frames and handshakes are lost
        measure=measures.of_websocket(stage, websocket_api, "ExecutionError"),
        statistic="Sum",
        threshold=5,
        periods=2,
        of=3,
        means="API Gateway cannot call the function of a WebSocket route, and frames or handshakes are lost.",
        first="check whether a function is throttled. If not, a permission or an integration is gone: detect the drift "
        "of the stack.",
    )


def _of_deliveries(stage: Stage) -> Iterator[Alarm]:
    yield Alarm(
        name="deliveries-failed",
        severity=Severity.PAGE,  # clients miss frames
        measure=measures.of_service(stage, metrics.DELIVERIES[Outcome.FAILED]),
        statistic="Sum",
        threshold=10,  # API Gateway fails single posts now and then; those clients see a gap and ask again
        periods=2,
        of=3,
        means="Frames cannot be posted to open connections, for a reason other than a throttle.",
        first="look in the log for the error of the delivery. AccessDenied: the role's policy was changed, detect the "
        "drift of the stack. Time-outs: look at AWS Health.",
    )
    yield Alarm(
        name="deliveries-throttled",
        severity=Severity.PAGE,  # all APIs of the account are throttled with it
        measure=measures.of_service(stage, metrics.DELIVERIES[Outcome.THROTTLED]),
        statistic="Sum",
        threshold=10,  # left after all retries
        periods=2,
        of=3,
        means="API Gateway rejects posts, even after retries: all APIs of the account together have used up its "
        "requests a second in this region.",
        first="find the source of so many messages on the dashboard, and slow it down or have API Gateway's throttle "
        "rate quota raised.",
    )
    yield Alarm(
        name="deliveries-unsent",
        severity=Severity.TICKET,  # one session is too large, and its owner has to change that
        measure=measures.of_service(stage, metrics.DELIVERIES[Outcome.UNSENT]),
        statistic="Sum",
        threshold=1,  # each one is somebody who was not told, and the next delivery will miss them again
        periods=2,
        of=3,
        means="Deliveries reach their deadline of 20 s before all recipients got the frame.",
        first="find the session and its size in the log: it is too large for one function, or posts are slow "
        "(delivery latency). Its owner should send fewer, larger events, or split it.",
    )


def _of_the_sweep(stage: Stage) -> Iterator[Alarm]:
    sweep = next(function for function in stage.functions if function.name == "sweep")
    yield Alarm(
        name="sweep-silent",
        severity=Severity.PAGE,  # sockets stay open after their sessions ended
        measure=measures.of_function(sweep, "Invocations"),
        statistic="Sum",
        threshold=1,
        below=True,
        missing="breaching",  # a sweep that does not run writes no metric
        means="The sweep, due each minute, has not run for five: expired sessions do not end, and sockets of ended "
        "ones stay open. After the first deploy the alarm is on until the first run.",
        first=f"check that the rule {stage.sweep_rule} of EventBridge is enabled and may call the function; the drift "
        "of the stack names what was changed.",
    )
    yield Alarm(
        name="sweep-backlog",
        severity=Severity.TICKET,  # late ends, and sockets that hear late of them
        measure=measures.of_service(stage, metrics.SWEEP_BACKLOG),
        statistic="Minimum",
        threshold=1,  # of five sweeps not one saw to all that was due
        periods=3,
        of=3,
        means="For a quarter of an hour no sweep has seen to all sessions that are due: they end late, and changes "
        "that could not be told are told late.",
        first="look at `failed` and `left` in the sweep's log lines. Failed: the error above the line. Left: more "
        "sessions expire than it can end; wait, spread expiresIn, or look for a slow table.",
    )


def _of_a_function(function: Function) -> Iterator[Alarm]:
    limit = round(function.timeout * DEADLINE * 1000)
    yield Alarm(
        name=f"{function.name}-errors",
        severity=Severity.PAGE,  # a version that cannot start loses every call
        measure=measures.of_function(function, "Errors"),
        statistic="Sum",
        threshold=3,  # bugs are caught and counted as faults; a machine's failure may end one or two processes
        means=f"Calls of {function.full_name} end without an answer: out of time or memory, or it cannot start.",
        first=f"look at the last lines in {function.log_group}: 'Task timed out', 'Runtime.', or an error at import. "
        "If it came with a deploy, deploy the version before (make deploy VERSION=…).",
    )
    yield Alarm(
        name=f"{function.name}-throttles",
        severity=Severity.TICKET,  # http-5xx pages if clients fail; a higher quota takes days
        measure=measures.of_function(function, "Throttles"),
        statistic="Sum",
        threshold=1,  # each is a rejected call
        means=f"Lambda rejects calls of {function.full_name}: the account's concurrent executions are used up.",
        first="compare concurrent executions on the dashboard with the account's quota, and have it raised; a new "
        "account has ten.",
    )
    yield Alarm(
        name=f"{function.name}-duration",
        severity=Severity.TICKET,  # calls still end in time
        measure=measures.of_function(function, "Duration"),
        statistic="p99",
        threshold=limit,
        periods=3,
        of=3,
        means=f"The slowest calls of {function.full_name} take more than {limit / 1000:g} s and will soon reach the "
        f"timeout of {function.timeout} s.",
        first="look at deliveries and tables on the dashboard, and at an X-Ray trace.",
    )

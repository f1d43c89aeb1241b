"""The alarms of a stage, each with its meaning and the first step to take. Pure values.

An alarm is about a symptom that clients or the tables notice; causes, such as the throttles of a table, are on the
dashboard. Missing data means that nothing happened, which is good except for the sweep. One period of five minutes is
enough where each count is a bug, two or three where the platform itself fails now and then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chalicelib import metrics
from chalicelib.errors import Unauthenticated
from chalicelib.model import Outcome
from deployment import measures
from deployment.alarm import Alarm
from deployment.stage import Function, Stage

DEADLINE: Final = 0.8
"""The share of a function's timeout that its slowest calls may take. A delivery stops after 20 of 29 s."""


def alarms(stage: Stage, websocket_api: Any) -> tuple[Alarm, ...]:
    """All alarms of a stage, the ones that clients notice first."""
    return (
        *_of_the_service(stage),
        *_of_the_gateway(stage, websocket_api),
        *_of_deliveries(stage),
        _of_the_sweep(stage),
        *(alarm for function in stage.functions for alarm in _of_a_function(function)),
    )


def _of_the_service(stage: Stage) -> Iterator[Alarm]:
    yield Alarm(
        name="faults",
        measure=measures.of_service(stage, metrics.FAULTS),
        statistic="Sum",
        threshold=1,  # each is a bug
        means="A bug: a client was answered 500, or internal_error over WebSocket.",
        first="look in the functions' logs for the line of level ERROR with its traceback. If it came with a deploy, "
        "deploy the version before.",
    )
    yield Alarm(
        name="unavailables",
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
        measure=measures.of_service(stage, metrics.CONNECTS_REFUSED, by=Unauthenticated.code),
        statistic="Sum",
        threshold=100,  # clients retry every few seconds, so a failing client makes hundreds; ignore a stray one
        periods=3,
        of=3,
        means="Many handshakes have been refused for their credential for a quarter of an hour: a key was rotated on "
        "one side only, or a client retries with an expired token.",
        first="compare the key and issuer that the stage reads with the signer's. If they are right, look in the "
        "access log of the WebSocket API for the client's address.",
    )


def _of_the_gateway(stage: Stage, websocket_api: Any) -> Iterator[Alarm]:
    yield Alarm(
        name="http-5xx",
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
        measure=measures.of_http(stage, "Latency"),
        statistic="p99",
        threshold=5000,  # ms; a cold start or a change delivered to some thousand sockets stays below it
        periods=3,
        of=3,
        means="One request in a hundred has taken over five seconds for a quarter of an hour.",
        first="find the slow operation on the dashboard. If it delivers frames, look at deliveries; "
        "if all are slow, at the tables; else at an X-Ray trace.",
    )
    yield Alarm(
        name="websocket-execution-errors",
        measure=measures.of_websocket(stage, websocket_api, "ExecutionError"),
        statistic="Sum",
        threshold=5,
        periods=2,
        of=3,
        means="API Gateway cannot call the function of a WebSocket route, and frames or handshakes are lost.",
        first="check whether a function is throttled. If not, deploy again: a permission or an integration is gone.",
    )


def _of_deliveries(stage: Stage) -> Iterator[Alarm]:
    yield Alarm(
        name="deliveries-failed",
        measure=measures.of_service(stage, metrics.DELIVERIES[Outcome.FAILED]),
        statistic="Sum",
        threshold=10,  # API Gateway fails single posts now and then; those clients see a gap and ask again
        periods=2,
        of=3,
        means="Frames cannot be posted to open connections, for a reason other than a throttle.",
        first="look in the log for the error of the delivery. AccessDenied: the function's policy does not name this "
        "WebSocket API, deploy again. Time-outs: look at AWS Health.",
    )
    yield Alarm(
        name="deliveries-throttled",
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
        measure=measures.of_service(stage, metrics.DELIVERIES[Outcome.UNSENT]),
        statistic="Sum",
        threshold=1,  # each one is somebody who was not told, and the next delivery will miss them again
        periods=2,
        of=3,
        means="Deliveries reach their deadline of 20 s before all recipients got the frame.",
        first="find the session and its size in the log: it is too large for one function, or posts are slow "
        "(delivery latency). Its owner should send fewer, larger events, or split it.",
    )


def _of_the_sweep(stage: Stage) -> Alarm:
    sweep = next(function for function in stage.functions if function.name == "sweep")
    return Alarm(
        name="sweep-silent",
        measure=measures.of_function(sweep, "Invocations"),
        statistic="Sum",
        threshold=1,
        below=True,
        missing="breaching",  # a sweep that does not run writes no metric
        means="The sweep, due each minute, has not run for five: expired sessions do not end, and sockets of ended "
        "ones stay open. After the first deploy the alarm is on until the first run.",
        first=f"check that the rule {stage.sweep_rule} of EventBridge is enabled and may call the function; deploying "
        "again restores both.",
    )


def _of_a_function(function: Function) -> Iterator[Alarm]:
    limit = round(function.timeout * DEADLINE * 1000)
    yield Alarm(
        name=f"{function.name}-errors",
        measure=measures.of_function(function, "Errors"),
        statistic="Sum",
        threshold=3,  # bugs are caught and counted as faults; a machine's failure may end one or two processes
        means=f"Calls of {function.full_name} end without an answer: out of time or memory, or it cannot start.",
        first=f"look at the last lines in {function.log_group}: 'Task timed out', 'Runtime.', or an error at import. "
        "If it came with a deploy, deploy the version before.",
    )
    yield Alarm(
        name=f"{function.name}-throttles",
        measure=measures.of_function(function, "Throttles"),
        statistic="Sum",
        threshold=1,  # each is a rejected call
        means=f"Lambda rejects calls of {function.full_name}: the account's concurrent executions are used up.",
        first="compare concurrent executions on the dashboard with the account's quota, and have it raised; a new "
        "account has ten.",
    )
    yield Alarm(
        name=f"{function.name}-duration",
        measure=measures.of_function(function, "Duration"),
        statistic="p99",
        threshold=limit,
        periods=3,
        of=3,
        means=f"The slowest calls of {function.full_name} take more than {limit / 1000:g} s and will soon reach the "
        f"timeout of {function.timeout} s.",
        first="look at deliveries and tables on the dashboard, and at an X-Ray trace.",
    )

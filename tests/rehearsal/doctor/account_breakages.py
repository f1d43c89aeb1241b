"""Breakages of a deployed stage: its key, tables and logs, and the account's quotas."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deployment.doctor.check import Outcome
from tests.rehearsal.doctor.account_breaking import spoils
from tests.rehearsal.doctor.standing_stage import Place

KEY = "/sessions/dev/jwt-secret"
LONG = "k" * 64


# --- the signing key


@contextmanager
def key(place: Place, value: str | None, kind: str = "SecureString") -> Iterator[None]:
    client = place.client("ssm")
    client.delete_parameter(Name=KEY)
    if value is not None:
        client.put_parameter(Name=KEY, Value=value, Type=kind)
    yield
    client.put_parameter(Name=KEY, Value=LONG, Type="SecureString", Overwrite=True)
    if kind != "SecureString":
        client.delete_parameter(Name=KEY)
        client.put_parameter(Name=KEY, Value=LONG, Type="SecureString")


@spoils("account-key", "shorter than its hash")
def the_key_is_short(place: Place) -> Iterator[None]:
    with key(place, "nobody-may-see-me"):
        yield


@spoils("account-key", "somebody's checkout")
def the_key_is_of_a_checkout(place: Place) -> Iterator[None]:
    with key(place, f"local-{LONG}"):
        yield


@spoils("account-key", "make it a SecureString")
def the_key_is_no_secret_parameter(place: Place) -> Iterator[None]:
    with key(place, LONG, "String"):
        yield


@spoils("account-key", f"JWT_SECRET names ssm:{KEY}, which is not there")
def the_key_is_gone(place: Place) -> Iterator[None]:
    with key(place, None):
        yield


# --- tables


@spoils("account-tables", "The table events-dev keeps its rows for ever")
def rows_stay(place: Place) -> Iterator[None]:
    with ttl(place, {"Enabled": False, "AttributeName": "purgeAt"}):
        yield


@spoils("account-tables", "is expiresAt, not purgeAt")
def rows_stay_past_another_attribute(place: Place) -> Iterator[None]:
    client = place.client("dynamodb")
    client.update_time_to_live(
        TableName="events-dev", TimeToLiveSpecification={"Enabled": False, "AttributeName": "purgeAt"}
    )
    with ttl(place, {"Enabled": True, "AttributeName": "expiresAt"}):
        yield
        client.update_time_to_live(
            TableName="events-dev", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expiresAt"}
        )


@contextmanager
def ttl(place: Place, specification: dict[str, Any]) -> Iterator[None]:
    client = place.client("dynamodb")
    client.update_time_to_live(TableName="events-dev", TimeToLiveSpecification=specification)
    yield
    on = {"Enabled": True, "AttributeName": "purgeAt"}
    client.update_time_to_live(TableName="events-dev", TimeToLiveSpecification=on)


@spoils("account-tables", "The table events-dev is not on demand")
def a_table_is_provisioned(place: Place) -> Iterator[None]:
    client = place.client("dynamodb")
    few = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    client.update_table(TableName="events-dev", BillingMode="PROVISIONED", ProvisionedThroughput=few)
    yield
    client.update_table(TableName="events-dev", BillingMode="PAY_PER_REQUEST")


@spoils("account-tables", "The table events-dev is not there, and the stage stands")
def a_table_is_gone(place: Place) -> Iterator[None]:
    client = place.client("dynamodb")
    there = client.describe_table(TableName="events-dev")["Table"]
    client.delete_table(TableName="events-dev")
    yield
    kept = {name: there[name] for name in ("TableName", "KeySchema", "AttributeDefinitions")}
    client.create_table(**kept, BillingMode="PAY_PER_REQUEST")
    with ttl(place, {"Enabled": True, "AttributeName": "purgeAt"}):
        pass


# --- quotas


@contextmanager
def quota(place: Place, code: str, value: float) -> Iterator[None]:
    before = place.quotas.values[code]
    place.quotas.values[code] = value
    yield
    place.quotas.values[code] = before


@spoils("account-quotas", "The rate of websocket_throttle is 100 a second, and the account has 99")
def the_account_has_a_lower_rate(place: Place) -> Iterator[None]:
    with quota(place, "L-8A5B8E43", 99):
        yield


@spoils("account-quotas", "The burst of websocket_throttle is 200, and the account takes 199")
def the_account_has_a_lower_burst(place: Place) -> Iterator[None]:
    with quota(place, "L-CDF5615A", 199):
        yield


@spoils(
    "account-quotas",
    "Lambda runs at most 10 functions of the account at once, and the throttles admit 300",
    Outcome.NOTE,
)
def the_account_is_new(place: Place) -> Iterator[None]:
    with quota(place, "L-B99A9384", 10):
        yield


@spoils("account-quotas", "Service Quotas has no L-8A5B8E43", Outcome.NOTE)
def a_quota_is_not_known(place: Place) -> Iterator[None]:
    value = place.quotas.values.pop("L-8A5B8E43")
    yield
    place.quotas.values["L-8A5B8E43"] = value


# --- logs


@contextmanager
def log_role(place: Place, arn: str) -> Iterator[None]:
    client = place.client("apigateway")
    before = client.get_account()["cloudwatchRoleArn"]
    for value in (arn, before):
        client.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": value}])
        if value == arn:
            yield


@spoils("account-logs", "has no role to write access logs by in this account")
def nobody_may_write_access_logs(place: Place) -> Iterator[None]:
    with log_role(place, ""):
        yield


@spoils("account-logs", "arn:aws:iam::123456789012:role/was-here, which is gone")
def the_role_of_access_logs_is_gone(place: Place) -> Iterator[None]:
    with log_role(place, "arn:aws:iam::123456789012:role/was-here"):
        yield


@spoils("account-logs", "The log group /aws/lambda/sessions-dev-sweep never expires")
def a_log_is_kept_for_ever(place: Place) -> Iterator[None]:
    client, name = place.client("logs"), "/aws/lambda/sessions-dev-sweep"
    client.delete_retention_policy(logGroupName=name)
    yield
    client.put_retention_policy(logGroupName=name, retentionInDays=14)


@spoils("account-logs", "/aws/apigateway/sessions-dev-http keeps its lines 3 days, not 14")
def a_log_is_forgotten_early(place: Place) -> Iterator[None]:
    client, name = place.client("logs"), "/aws/apigateway/sessions-dev-http"
    client.put_retention_policy(logGroupName=name, retentionInDays=3)
    yield
    client.put_retention_policy(logGroupName=name, retentionInDays=14)


@spoils("account-logs", "Missing log group /aws/lambda/sessions-dev:")
def a_log_group_is_gone(place: Place) -> Iterator[None]:
    client, name = place.client("logs"), "/aws/lambda/sessions-dev"
    client.delete_log_group(logGroupName=name)
    yield
    client.create_log_group(logGroupName=name)
    client.put_retention_policy(logGroupName=name, retentionInDays=14)

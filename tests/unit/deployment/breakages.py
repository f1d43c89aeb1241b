"""What is broken in the tests of the doctor: each check in one way or several."""

from __future__ import annotations

from typing import Any

from deployment import gateway_settings, operations, stage
from deployment.doctor import findings
from deployment.doctor.needs import POSTED
from deployment.gateway_responses import CORS, RESPONSES
from tests.unit.deployment.breaking import (
    adding,
    of_code,
    of_config,
    of_operations,
    of_policy,
    of_table,
    replacing,
    spoils,
    variable,
)
from tests.unit.deployment.doctored import Project

# --- the files

of_operations("stage", "There is no stage 'dev' in .chalice/operations.json", "dev")
of_operations("stage", "burst", "dev", "http_throttle", "burst")
of_config("stage", "log_retention_in_days", "stages", "dev", "log_retention_in_days")
of_code("app", "it is broken", lambda text: f'{text}\nraise ValueError("it is broken")\n')
of_code("app", "no route", lambda text: "from chalice.app import Chalice\napp = Chalice('sessions')\n")


@spoils("template", "is not JSON")
def the_template_is_cut_short(project: Project) -> None:
    (project.folder / "resources.json").write_text("{")


@spoils("template", "no Resources")
def the_template_is_empty(project: Project) -> None:
    (project.folder / "resources.json").write_text("{}")


HANDLER = "\n\n@app.lambda_function()\ndef report(event, context):\n    return {}\n"
of_code("policy-files", "no function report: add it to FUNCTIONS", lambda text: text + HANDLER)


@spoils("policy-files", "app.py has no function report")
def a_function_is_gone(project: Project) -> None:
    project.monkeypatch.setattr(stage, "FUNCTIONS", (*stage.FUNCTIONS, "report"))


@spoils("policy-files", "policy-sweep.json holds no policy")
def a_policy_is_missing(project: Project) -> None:
    (project.folder / "policy-sweep.json").unlink()


@spoils("policy-files", "no need of a Deny")
def a_policy_denies(project: Project) -> None:
    with project.edited("policy-sweep.json") as policy:
        policy["Statement"].append({"Effect": "Deny", "Action": ["s3:GetObject"], "Resource": ["*"]})


@spoils("policy-files", "no need of a Deny, a NotAction")
def a_policy_allows_all_but_something(project: Project) -> None:
    with project.edited("policy-sweep.json") as policy:
        policy["Statement"].append({"Effect": "Allow", "NotAction": ["s3:GetObject"], "Resource": ["*"]})


of_config(
    "policy-files", "sweep has no policy of its own", "stages", "dev", "lambda_functions", "sweep", "iam_policy_file"
)
of_config(
    "policy-files",
    "set its iam_policy_file to policies/dev/sweep.json",
    *("stages", "dev", "lambda_functions", "sweep", "iam_policy_file"),
    to="policies/dev/api_handler.json",
)


@spoils("local-key", "chmod 600")
def others_read_the_key(project: Project) -> None:
    key = project.folder / "local.key"
    key.write_text("local-" + "k" * 40)
    key.chmod(0o640)


# --- the functions

of_config("function-memory", "websocket_connect has 128 MB", "lambda_memory_size", to=128)
of_config("function-memory", "sweep has 256 MB", "lambda_functions", "sweep", "lambda_memory_size", to=256)
of_config("function-timeout", "sweep may run for 60 s", "stages", "dev", "lambda_timeout", to=60)
of_config(
    "function-timeout",
    "websocket_message may run for 25 s, and delivers frames for up to 26",
    *("lambda_functions", "websocket_message", "lambda_timeout"),
    to=25,
)
of_config("function-tracing", "sweep is not traced", "xray", to=False)
of_config("function-tracing", "sweep is not traced", "xray")
of_config("log-retention", "sweep are kept for 15 days", "stages", "dev", "log_retention_in_days", to=15)

# --- the environment

for missing in ("JWT_ISSUER", "JWT_AUDIENCE", "JWT_ALGORITHMS", "SESSIONS_TABLE", "CONNECTIONS_TABLE", "EVENTS_TABLE"):
    variable("environment", f"{missing} is not set", missing, None)
variable("environment", "exactly one of", "JWT_SECRET", None)
variable("environment", "exactly one of", "JWT_JWKS_URL", "https://id.example.com/keys")
variable("environment", "one family", "JWT_ALGORITHMS", "HS256,RS256")
variable("environment", "one family", "JWT_ALGORITHMS", "none")
variable("environment", "do not fit", "JWT_ALGORITHMS", "ES256")
variable("environment", "JWT_AUDIENCE holds a *", "JWT_AUDIENCE", "*")
variable("environment", "LOG_LEVEL is none of", "LOG_LEVEL", "LOUD")
of_config(
    "environment",
    "JWT_ISSUER is not set. It is so in sweep.",
    *("stages", "dev", "lambda_functions", "sweep", "environment_variables"),
    to={"JWT_ISSUER": ""},
)

# --- keys

variable(
    "key-references", "JWT_SECRET is no reference", "JWT_SECRET", "a long enough secret, written down for all to see"
)
variable("key-references", "JWT_SECRET is no reference", "JWT_SECRET", "ssm:/sessions/dev/")
variable("key-references", "JWT_SECRET is no reference", "JWT_SECRET", "secretsmanager:arn:aws:s3:::bucket")
variable(
    "key-references",
    "JWT_PUBLIC_KEY is no reference",
    "JWT_PUBLIC_KEY",
    "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----",
    JWT_SECRET=None,
    JWT_ALGORITHMS="ES256",
)
for key in (
    "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----",
    "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----",
    "local-abc",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "0123456789abcdef" * 2,
    "q8Zr-3kV_0aTnB7yXw5LmE2c",
    "https://user:q8Zr3kV0aTnB7yXw5LmE2cQd@db.example.com",
):
    variable("key-material", "SOMETHING holds what looks like a key", "SOMETHING", key)
variable("key-material", "LOG_COLOUR holds", "LOG_COLOUR", "0123456789ABCDEF" * 4, stage="prod")
for issuer in ("https://sessions.local", "http://localhost:8080", "localhost", "https://127.0.0.1/", "https://[::1]/"):
    variable("issuer-kept", "name the issuer of this stage", "JWT_ISSUER", issuer, stage="prod")
for url in ("http://127.0.0.1:8080/keys", "https://localhost/keys", "https://id.local/keys"):
    variable("key-set-https", url, "JWT_JWKS_URL", url, JWT_SECRET=None, JWT_ALGORITHMS="ES256")

# --- origins

of_code(
    "cors",
    "GET /sessions allows credentials from every origin",
    lambda text: text.replace('allow_origin="*",', 'allow_origin="*", allow_credentials=True,'),
)


@spoils("cors", "THROTTLED allows credentials from every origin")
def gateway_responses_allow_credentials(project: Project) -> None:
    project.monkeypatch.setitem(CORS, "Access-Control-Allow-Credentials", "true")


for origin in ("*", "https://*.example.com", "null"):
    variable("origins-exact", "which is anybody", "ALLOWED_ORIGINS", f"https://app.example.com,{origin}")
for origin in (
    "https://app.example.com/",
    "app.example.com",
    "https://APP.example.com",
    "https://app.example.com:443",
    "https://app.example.com:port",
    "https://app.example.com?x",
    "https://me@app.example.com",
    "ftp://app.example.com",
    "https://",
):
    variable("origins-exact", "which no browser sends", "ALLOWED_ORIGINS", origin)
variable("origins-exact", "serve it over https", "ALLOWED_ORIGINS", "http://app.example.com")
for origin in ("http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443", "https://app.localhost"):
    variable("origins-kept", origin, "ALLOWED_ORIGINS", f"https://app.example.com,{origin}", stage="prod")

# --- the APIs

of_config("api-endpoint", "The REST API is EDGE", "api_gateway_endpoint_type")
of_config("api-endpoint", "The REST API is PRIVATE", "api_gateway_endpoint_type", to="PRIVATE")
of_config("api-compression", "No answer is ever compressed", "minimum_compression_size")
of_config("api-compression", "No answer is ever compressed", "minimum_compression_size", to=10 * 1024 * 1024)
for which in ("http_throttle", "websocket_throttle"):
    of_operations("api-throttles", f"The rate of {which} is 0", "dev", which, "rate", to=0)
    of_operations("api-throttles", f"The rate of {which} is 10000", "dev", which, "rate", to=10_000)
    of_operations("api-throttles", f"The burst of {which} is 5000", "dev", which, "burst", to=5_000)
of_operations("api-throttles", "The rate of http_throttle is 50", "dev", "http_throttle", "rate", to="50")


def logged(fields: str, value: str) -> None:
    @spoils("access-log-formats", "take it out of", name=f"{fields} {value}")
    def how(project: Project) -> None:
        project.monkeypatch.setitem(getattr(gateway_settings, fields), "more", value)


for which in ("HTTP_FIELDS", "WEBSOCKET_FIELDS"):
    for value in (
        "$context.path",
        "$context.customDomain.basePathMatched",
        "$context.identity.userAgent",
        "$context.identity.caller",
        "$context.authorizer.principalId",
        "$context.authorizer.claims.sub",
        "$context.requestOverride.querystring.token",
        "$context.error.message",
        "$input.params('token')",
        "$stageVariables.key",
    ):
        logged(which, value)


@spoils("access-log-retention", "/aws/apigateway/sessions-dev-http would be kept for ever")
def nothing_keeps_access_logs(project: Project) -> None:
    made = operations.resources

    def without(*given: Any, **more: Any) -> Any:
        return {key: one for key, one in made(*given, **more).items() if one["Type"] != "AWS::Logs::LogGroup"}

    project.monkeypatch.setattr(operations, "resources", without)


def traced(function: str, setting: str, value: object) -> None:
    @spoils("data-trace", f"turn {setting} off", name=f"{function} {setting}")
    def how(project: Project) -> None:
        made = getattr(gateway_settings, function)
        project.monkeypatch.setattr(gateway_settings, function, lambda stage: {**made(stage), setting: value})


for which in ("method_settings", "route_settings"):
    traced(which, "DataTraceEnabled", True)
    traced(which, "LoggingLevel", "INFO")


@spoils("gateway-responses", "answer DEFAULT_5XX in a form of its own")
def some_errors_have_no_response(project: Project) -> None:
    left = tuple(one for one in RESPONSES if one.type != "DEFAULT_5XX")
    project.monkeypatch.setattr(findings, "RESPONSES", left)


@spoils("gateway-responses", "A page could not read THROTTLED")
def pages_read_no_response(project: Project) -> None:
    project.monkeypatch.delitem(CORS, "Access-Control-Allow-Origin")


@spoils("gateway-responses", "THROTTLED is no application/problem+json")
def responses_are_another_json(project: Project) -> None:
    project.monkeypatch.setitem(CORS, "Content-Type", "application/json")


# --- the tables

variable("table-names", "EVENTS_TABLE of sweep is events-prod", "EVENTS_TABLE", "events-prod")
of_table("table-names", "the table is events", "Events", "TableName", to="events")
of_table("table-names", "the table is None", "Events", "TableName")


@spoils("table-names", "The app uses the table Events")
def a_table_is_missing(project: Project) -> None:
    with project.edited("resources.json") as template:
        del template["Resources"]["Events"]


@spoils("table-names", "No function is told the name of the table Rooms")
def a_table_is_nobodys(project: Project) -> None:
    with project.edited("resources.json") as template:
        template["Resources"]["Rooms"] = template["Resources"]["Events"]


of_table("table-billing", "The table Events is not on demand", "Events", "BillingMode")
of_table("table-billing", "The table Sessions is not on demand", "Sessions", "BillingMode", to="PROVISIONED")
of_table("table-ttl", "The table Events keeps its rows", "Events", "TimeToLiveSpecification")
of_table("table-ttl", "The table Events keeps its rows", "Events", "TimeToLiveSpecification", "Enabled", to=False)
of_table("table-ttl", "keeps its rows", "Sessions", "TimeToLiveSpecification", "AttributeName", to="expiresAt")
for kept in ("DeletionProtectionEnabled", "PointInTimeRecoverySpecification"):
    of_table("table-protection", "The table Events could be deleted", "Events", kept, stage="prod")
of_table("table-protection", "could be deleted", "Events", "DeletionProtectionEnabled", to=False, stage="prod")


@spoils("table-protection", "The table Sessions could be deleted", "prod")
def the_template_does_not_ask_whether_it_is_kept(project: Project) -> None:
    with project.edited("resources.json") as template:
        del template["Parameters"]["Kept"]


# --- the policies

of_config("policy-generated", "policy of sweep itself", "autogen_policy", to=True)
of_config("policy-generated", "policy of sweep itself", "autogen_policy")
of_config(
    "policy-generated",
    "policy of sweep itself",
    *("stages", "dev", "lambda_functions", "sweep", "autogen_policy"),
    to=True,
)
for action in ("dynamodb:*", "*", "dynamodb:Get*", "dynamodb:?etItem"):
    of_policy("policy-actions", f"sweep allows {action}:", "sweep", "Sessions", "Action", adding(action))


def wider(function: str, sid: str, this: str, that: str) -> None:
    of_policy(
        "policy-resources",
        f"{that}: name the one thing that is meant",
        function,
        sid,
        "Resource",
        replacing(this, that),
    )


wider("sweep", "Sessions", "${SessionsTable}", "${SessionsTable}*")
wider("sweep", "Sessions", "${SessionsTable}", "*")
wider("sweep", "Sessions", "table/${SessionsTable}", "*")
wider("sweep", "SessionsDue", "index/due", "index/*")
wider("sweep", "WriteLogs", "/aws/lambda/${Function}:*", "*")
wider("sweep", "WriteLogs", "${Function}:*", "*")
for this in ("${WebsocketAPI}", "${ApiStage}", "${AWS::Region}", "${AWS::AccountId}"):
    of_policy(
        "policy-resources",
        f"on {POSTED.replace(this, '*')}: name",
        *("sweep", "ReachConnections", "Resource"),
        replacing(this, "*"),
    )
of_policy(
    "policy-resources", "/*: name", "sweep", "ReachConnections", "Resource", lambda old: [old[0].split("POST")[0] + "*"]
)
of_policy("policy-resources", "on *: name", "api_handler", "ReadKeyParameter", "Resource", lambda old: ["*"])

for action in ("dynamodb:Scan", "dynamodb:DeleteItem"):
    of_policy("policy-unneeded", f"sweep never does {action} on", *("sweep", "Sessions", "Action"), adding(action))
of_policy(
    "policy-unneeded",
    "dynamodb:UpdateItem on arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${EventsTable}",
    *("sweep", "Sessions", "Resource"),
    lambda old: [*old, old[0].replace("Sessions", "Events")],
)
of_policy(
    "policy-missing",
    "sweep could not do dynamodb:BatchWriteItem on",
    *("sweep", "ConnectionsOfASession", "Action"),
    lambda old: ["dynamodb:Query"],
)
of_policy(
    "policy-missing",
    "DELETE/@connections/*: allow it",
    *("sweep", "ReachConnections", "Resource"),
    lambda old: old[:1],
)

# --- alarms

of_operations(
    "alarm-topics", "ops@example.com in alarm_topics is no ARN", "dev", "alarm_topics", to=["ops@example.com"]
)

"""One or more breakages of the project for each check of the doctor."""

from __future__ import annotations

from typing import Any

from deployment import gateway_settings, stage
from deployment.doctor import findings
from deployment.gateway_responses import CORS, RESPONSES
from deployment.monitoring import resources
from tests.deployment.breaking import (
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
from tests.deployment.doctored import Project

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


@spoils("template", "one without a Type and Properties")
def a_resource_is_none(project: Project) -> None:
    with project.edited("resources.json") as template:
        template["Resources"]["Events"]["Properties"] = None


def twice(check: str, file: str, this: str, that: str) -> None:
    @spoils(check, "twice in one object", name=f"{that} twice in {file}")
    def how(project: Project) -> None:
        path = project.folder / file
        path.write_text(path.read_text().replace(this, f"{that}, {this}", 1))


twice("stage", "config.json", '"lambda_timeout": 29', '"lambda_timeout": 60')
twice("template", "resources.json", '"BillingMode": "PAY_PER_REQUEST"', '"BillingMode": "PROVISIONED"')
twice("policy-files", "policies/dev/sweep.json", '"Action": ["dynamodb:UpdateItem"]', '"Action": ["*"]')


def marked(check: str, file: str) -> None:
    @spoils(check, "begins with a byte order mark: save it as UTF-8", name=f"a byte order mark in {file}")
    def how(project: Project) -> None:
        path = project.folder / file
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


marked("stage", "config.json")
marked("policy-files", "policies/dev/sweep.json")

of_config(
    "stage", "lambda_timout in .chalice/config.json is not a setting; is it lambda_timeout?", "lambda_timout", to=9
)
of_config("stage", "names no function of the app; is it sweep?", "lambda_functions", "sweeps", to={})
of_config(
    "stage",
    "is never read by Chalice: move it into a stage",
    *("lambda_functions", "sweep", "environment_variables"),
    to={"KEY": "value"},
)
WRONG: dict[str, tuple[Any, ...]] = {
    "lambda_memory_size": ("512", True, 512.5, 20_000),
    "lambda_timeout": ("29", 28.5, 0, -5),
    "xray": ("false",),
    "minimum_compression_size": ("1024", -1),
    "reserved_concurrency": (0, True),
    "lambda_functions": ([],),
    "environment_variables": ([], {"NUMBER": 5}),
    "app_name": ("my app", "s" * 65),
    "api_gateway_stage": ("*", "", "a/b", 5),
}
for setting, wrong in WRONG.items():
    for value in wrong:
        of_config("stage", f"{setting} in .chalice/config.json must be", setting, to=value)
of_config("stage", "must be an object", "stages", to=[])
of_config("stage", "'app_name'", "app_name")
of_config("stage", "shorten app_name", "app_name", to="s" * 60)
of_config("stage", "stages.dev.log_retention_in_days", "stages", "dev", "log_retention_in_days", to=[14])
of_operations("stage", "dev.kept in .chalice/operations.json must be true or false", "dev", "kept", to="no")
of_operations("stage", "dev.topics in .chalice/operations.json is not a setting", "dev", "topics", to=[])
of_operations(
    "stage",
    "dev.alarm_topics in .chalice/operations.json must be an object of two lists",
    "dev",
    "alarm_topics",
    to="arn",
)
of_code("app", "3", lambda text: f"{text}\nraise SystemExit(3)\n")
of_code("app-debug", "take app.debug out", lambda text: f"{text}\napp.debug = True\n")

HANDLER = "\n\n@app.lambda_function()\ndef report(event, context):\n    return {}\n"
of_code("policy-files", "no function report: add it to FUNCTIONS", lambda text: text + HANDLER)


@spoils("policy-files", "app.py has no function report")
def a_function_is_gone(project: Project) -> None:
    project.monkeypatch.setattr(stage, "FUNCTIONS", (*stage.FUNCTIONS, "report"))


@spoils("policy-files", "policies/dev/sweep.json cannot be read")
def a_policy_is_missing(project: Project) -> None:
    (project.folder / "policies/dev/sweep.json").unlink()


@spoils("policy-files", "no need of a Deny")
def a_policy_denies(project: Project) -> None:
    with project.edited("policies/dev/sweep.json") as policy:
        policy["Statement"].append({"Effect": "Deny", "Action": ["s3:GetObject"], "Resource": ["*"]})


@spoils("policy-files", "no need of a Deny, a NotAction")
def a_policy_allows_all_but_something(project: Project) -> None:
    with project.edited("policies/dev/sweep.json") as policy:
        policy["Statement"].append({"Effect": "Allow", "NotAction": ["s3:GetObject"], "Resource": ["*"]})


@spoils("policy-files", "no need of a Deny, a NotAction, a NotResource or a Condition")
def a_policy_has_a_condition(project: Project) -> None:
    with project.edited("policies/dev/sweep.json") as policy:
        policy["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}


@spoils("policy-files", "it must have the Version 2012-10-17")
def a_policy_is_of_the_old_version(project: Project) -> None:
    with project.edited("policies/dev/sweep.json") as policy:
        policy["Version"] = "2008-10-17"


@spoils("policy-files", "it must have the Version 2012-10-17 and Statements")
def a_policy_says_something_else(project: Project) -> None:
    with project.edited("policies/dev/sweep.json") as policy:
        policy["Id"] = "sweep"


@spoils("policy-files", "a Sid is letters and digits, each once")
def two_statements_have_one_sid(project: Project) -> None:
    with project.edited("policies/dev/sweep.json") as policy:
        policy["Statement"][0]["Sid"] = policy["Statement"][1]["Sid"]


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

of_config("function-timeout", "sweep may run for 30 s", "stages", "dev", "lambda_timeout", to=30)
of_config(
    "function-timeout",
    "websocket_connect may run for 1 s",
    *("lambda_functions", "websocket_connect", "lambda_timeout"),
    to=1,
)

# --- the environment

for name in ("AWS_REGION", "_HANDLER", "BAD-NAME"):
    variable("environment", f"Lambda does not accept {name}", name, "x")
for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "HTTPS_PROXY"):
    variable("environment", f"{name} sends what is meant for AWS elsewhere", name, "http://a.example")
variable("environment", "4096 bytes", "LONG", "a b " * 1025)
variable("environment", "STAGE is not dev", "STAGE", "prod")
variable("environment", "STAGE is not prod", "STAGE", None, stage="prod")

for missing in ("JWT_ISSUER", "JWT_AUDIENCE", "JWT_ALGORITHMS", "SESSIONS_TABLE", "CONNECTIONS_TABLE", "EVENTS_TABLE"):
    variable("environment", f"{missing} is not set", missing, None)
variable("environment", "exactly one of", "JWT_SECRET", None)
variable("environment", "exactly one of", "JWT_JWKS_URL", "https://id.example.com/keys")
variable("environment", "one family", "JWT_ALGORITHMS", "HS256,RS256")
variable("environment", "one family", "JWT_ALGORITHMS", "none")
variable("environment", "do not fit", "JWT_ALGORITHMS", "ES256")
variable("environment", "JWT_AUDIENCE holds a *", "JWT_AUDIENCE", "*")
variable("environment", "LOG_LEVEL must be", "LOG_LEVEL", "LOUD")
of_config(
    "environment",
    "JWT_ISSUER is not set. It is so in sweep.",
    *("stages", "dev", "lambda_functions", "sweep", "environment_variables"),
    to={"JWT_ISSUER": ""},
)

# --- keys

variable(
    "key-references", "JWT_SECRET does not refer", "JWT_SECRET", "a long enough secret, written down for all to see"
)
variable("key-references", "JWT_SECRET does not refer", "JWT_SECRET", "ssm:/sessions/dev/")
variable("key-references", "JWT_SECRET does not refer", "JWT_SECRET", "secretsmanager:arn:aws:s3:::bucket")
variable(
    "key-references",
    "JWT_PUBLIC_KEY does not refer",
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
    "postgres://user:hunter2@db.example.com/rooms",
    "ghp_" + "abcdefghij" * 3,
    "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
):
    variable("key-material", "SOMETHING holds what looks like a key", "SOMETHING", key)
variable("key-material", "LOG_COLOUR holds", "LOG_COLOUR", "0123456789ABCDEF" * 4, stage="prod")
for name in ("DB_PASSWORD", "API_TOKEN", "SLACK_API_KEY"):
    variable("key-material", f"{name} holds", name, "hunter2")
variable("key-material", "JWT_AUDIENCE holds", "JWT_AUDIENCE", "-----BEGIN PRIVATE KEY-----")
variable("issuer-kept", "serve it over https", "JWT_ISSUER", "http://id.example.com", stage="prod")
for issuer in (
    "https://sessions.local",
    "https://sessions.local.",
    "https://0.0.0.0",
    "https://169.254.1.1",
    "http://localhost:8080",
    "localhost",
    "https://127.0.0.1/",
    "https://[::1]/",
):
    variable("issuer-kept", "name the issuer of this stage", "JWT_ISSUER", issuer, stage="prod")
for url in (
    "http://127.0.0.1:8080/keys",
    "https://localhost/keys",
    "https://id.local/keys",
    "https:///keys",
    "https://169.254.169.254/keys",
    "https://user@id.example.com/keys",
):
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
    "https://bücher.example",
    "ftp://app.example.com",
    "https://",
):
    variable("origins-exact", "which no browser sends", "ALLOWED_ORIGINS", origin)
variable("origins-exact", "serve it over https", "ALLOWED_ORIGINS", "http://app.example.com")
for origin in (
    "http://localhost:3000",
    "http://127.0.0.1",
    "https://[::1]:8443",
    "https://app.localhost",
    "https://0.0.0.0",
):
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
    made = resources.resources

    def without(*given: Any, **more: Any) -> Any:
        return {key: one for key, one in made(*given, **more).items() if one["Type"] != "AWS::Logs::LogGroup"}

    project.monkeypatch.setattr(resources, "resources", without)


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


@spoils("gateway-responses", "THROTTLED is not application/problem+json")
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


of_table("table-shared", "take its ResourcePolicy out", "Events", "ResourcePolicy", to={"PolicyDocument": {}})
of_table("table-billing", "The table Events is not on demand", "Events", "BillingMode")
of_table("table-billing", "The table Sessions is not on demand", "Sessions", "BillingMode", to="PROVISIONED")
of_table("table-ttl", "The table Events keeps its rows", "Events", "TimeToLiveSpecification")
of_table("table-ttl", "The table Events keeps its rows", "Events", "TimeToLiveSpecification", "Enabled", to=False)
of_table("table-ttl", "keeps its rows", "Sessions", "TimeToLiveSpecification", "AttributeName", to="expiresAt")
for kept in ("DeletionProtectionEnabled", "PointInTimeRecoverySpecification"):
    of_table("table-protection", "The table Events could be deleted", "Events", kept, stage="prod")
of_table("table-protection", "or not be restored", "Events", "PointInTimeRecoverySpecification", to="x", stage="prod")
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


wider("sweep", "Sessions", "sessions-dev", "sessions-dev*")
wider("sweep", "Sessions", "sessions-dev", "*")
wider("sweep", "Sessions", "table/sessions-dev", "*")
wider("sweep", "SessionsDue", "index/due", "index/*")
wider("sweep", "WriteLogs", "/aws/lambda/sessions-dev-sweep:*", "*")
wider("sweep", "WriteLogs", "sessions-dev-sweep:*", "*")
wider("sweep", "ReachConnections", "api/POST/@connections/*", "*")
wider("sweep", "ReachConnections", "api/POST/@connections/*", "*/POST/@connections/*")
wider("sweep", "Sessions", "dynamodb:*:*:table/sessions-dev", "*:*:*:table/sessions-dev")
of_policy("policy-resources", "on *: name", "api_handler", "ReadKeyParameter", "Resource", lambda old: ["*"])

# --- alarms

of_operations(
    "alarm-topics",
    "ops@example.com in alarm_topics is not the ARN",
    "dev",
    "alarm_topics",
    "page",
    to=["ops@example.com"],
)
of_operations(
    "alarm-topics",
    "ops/more in alarm_topics is not the ARN",
    *("dev", "alarm_topics", "page"),
    to=["arn:aws:sns:eu-north-1:111122223333:ops/more"],
)

"""One or more breakages of the project for each check of the doctor."""

from __future__ import annotations

from datetime import date
from typing import Any

from deployment import gateway_settings, stage
from deployment.doctor import apis, project
from deployment.gateway_responses import CORS, RESPONSES
from tests.deployment.breaking import (
    of_code,
    of_config,
    of_file,
    of_operations,
    of_policy,
    of_table,
    spoils,
    variable,
)
from tests.deployment.doctored import Project

# --- the files

of_operations("stage", "There is no stage 'dev' in .chalice/operations.json", "dev")
of_operations("stage", "http_throttle in .chalice/operations.json must be", "dev", "http_throttle", "burst")
of_operations("stage", "must be an object of two whole numbers", "dev", "http_throttle", "rate", to="50")
of_operations("stage", "dev.kept in .chalice/operations.json must be true or false", "dev", "kept", to="no")
of_operations("stage", "dev.topics in .chalice/operations.json is not a setting", "dev", "topics", to=[])
for topics in ("arn", {"page": [5], "ticket": []}):
    of_operations("stage", "must be an object of two lists", "dev", "alarm_topics", to=topics)
of_operations("stage", "lock in .chalice/operations.json has no reason", "dev", "accepted", "lock", to=" ")
of_operations("stage", "names no finding to accept; is it cors?", "dev", "accepted", "corse", to="It is so.")
for check in ("stage", "app", "identity"):
    of_operations("stage", "names no finding to accept", "dev", "accepted", check, to="It is so.")

of_config(
    "stage", "lambda_timout in .chalice/config.json is not a setting; is it lambda_timeout?", "lambda_timout", to=9
)
of_config("stage", "names no function of the app; is it sweep?", "lambda_functions", "sweeps", to={})
of_config(  # Chalice has one architecture for all functions
    "stage",
    "lambda_architecture in .chalice/config.json is not",
    "lambda_functions",
    "sweep",
    "lambda_architecture",
    to="arm64",
)
of_config("stage", "move it into a stage", *("lambda_functions", "sweep", "environment_variables"), to={"KEY": "value"})
WRONG: dict[str, tuple[Any, ...]] = {
    "lambda_memory_size": ("512", True, 512.5, 20_000),
    "lambda_timeout": ("29", 28.5, 0, -5),
    "minimum_compression_size": ("1024", -1),
    "reserved_concurrency": (0, True),
    "lambda_functions": ([],),
    "environment_variables": ([], {"NUMBER": 5}),
    "app_name": ("my app", "my_app", "my.app", "2nd", "s" * 65),
    "lambda_architecture": ("arm", "aarch64"),
    "api_gateway_stage": ("*", "", "a/b", 5),
}
for setting, wrong in WRONG.items():
    for value in wrong:
        of_config("stage", f"{setting} in .chalice/config.json must be", setting, to=value)
of_config("stage", "must be an object", "stages", to=[])
of_config("stage", "'app_name'", "app_name")
of_config("stage", "shorten app_name", "app_name", to="s" * 60)
of_config("stage", "log_retention_in_days", "stages", "dev", "log_retention_in_days")
of_file("stage", "twice in one object", "config.json", lambda text: text.replace("{", '{"version": "2.0",', 1))
of_file("stage", "begins with a byte order mark: save it as UTF-8", "config.json", lambda text: f"\ufeff{text}")

of_code("app", "it is broken", lambda text: f'{text}\nraise ValueError("it is broken")\n')
of_code("app", "no route", lambda text: "from chalice.app import Chalice\napp = Chalice('sessions')\n")
of_code("app", "3", lambda text: f"{text}\nraise SystemExit(3)\n")
of_code("app-debug", "take app.debug out", lambda text: f"{text}\napp.debug = True\n")


@spoils("runtime", "Lambda deprecated python3.")
def the_runtime_is_deprecated(project_: Project) -> None:
    project_.monkeypatch.setattr(project, "_today", lambda: date(2040, 1, 1))


of_operations("runtime", "Chalice packages for", "dev", "runtime", to="python3.99")


@spoils("lock", "not in requirements.lock: make lock")
def a_dependency_is_not_locked(project: Project) -> None:
    with (project.root / "requirements.in").open("a") as file:
        file.write("requests>=2\n")


@spoils("lock", "requirements.lock cannot be read")
def there_is_no_lock(project: Project) -> None:
    (project.root / "requirements.lock").unlink()


# --- the policies

HANDLER = "\n\n@app.lambda_function()\ndef report(event, context):\n    return {}\n"
SWEEP = "policies/dev/sweep.json"
POLICY = ("stages", "dev", "lambda_functions", "sweep", "iam_policy_file")
of_code("policies", "no function report: add it to FUNCTIONS", lambda text: text + HANDLER)


@spoils("policies", "app.py has no function report")
def a_function_is_gone(project: Project) -> None:
    project.monkeypatch.setattr(stage, "FUNCTIONS", (*stage.FUNCTIONS, "report"))


@spoils("policies", "sweep.json cannot be read")
def a_policy_is_missing(project: Project) -> None:
    (project.folder / SWEEP).unlink()


of_config("policies", "sweep shares api_handler.json", *POLICY, to="policies/dev/api_handler.json")
of_config("policies", "policy-dev.json cannot be read", *POLICY)
of_config("policies", "would guess the policy of sweep", "autogen_policy", to=True)
of_file("policies", "is not JSON", SWEEP, lambda text: text[:-3])
of_file("policies", "twice in one object", SWEEP, lambda text: text.replace("{", '{"Version": "2012-10-17",', 1))
of_file("policies", "is not an IAM policy", SWEEP, lambda text: "{}")
of_file("policies", "Effect is Allow or Deny", SWEEP, lambda text: text.replace("Allow", "allow", 1))
of_file("policies", "is not an IAM policy: it needs", SWEEP, lambda text: '{"Statement": ["Allow"]}')

for action in ("dynamodb:*", "*", "dynamodb:?etItem"):
    of_policy("policies", f"sweep allows {action}: name each", "Sessions", Action=[action])
of_policy("policies", "sweep allows *: name each", "Sessions", Action=None, NotAction="s3:*")
TABLE = "arn:*:dynamodb:*:*:table/"
CONNECTIONS = "arn:*:execute-api:*:*:*/api/POST/@connections/*"
for wide in (
    *("*", "arn:*:dynamodb:*:*:*", f"{TABLE}*", f"{TABLE}sessions-dev*", f"{TABLE}sessions-dev/index/*"),
    *("arn:*:*:*:*:table/sessions-dev", "arn:*:logs:*:*:*", "arn:*:logs:*:*:log-group:*:*"),
    *(CONNECTIONS.replace("/api", "/*"), CONNECTIONS.replace("POST", "*"), "arn:*:execute-api:*:*:*/api/*"),
    *("arn:*:secretsmanager:*:*:secret:*", "arn:*:ssm:*:*:parameter/sessions/*", "arn:*:ssm:eu-*:*:parameter/key"),
):
    of_policy("policies", f"on {wide}: name the resource", "Sessions", Resource=wide)
of_policy("policies", "on *: name the resource", "Sessions", Resource=None, NotResource=f"{TABLE}events-dev")
NETWORK = {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}


@spoils("policies", "sweep is in a VPC, and Lambda needs ec2:CreateNetworkInterface there")
def a_function_may_not_enter_its_vpc(project: Project) -> None:
    with project.edited("config.json") as config:
        config["lambda_functions"]["sweep"] |= NETWORK


# --- the functions

of_config("function-timeout", "api_handler may run for 30 s, and API Gateway waits 29 s", "lambda_timeout", to=30)
of_config("function-timeout", "up to 26 s: set its lambda_timeout to 26", "lambda_timeout", to=25)
TIMEOUT = ("lambda_functions", "sweep", "lambda_timeout")
for seconds, why in ((61, "runs again every 60 s"), (4, "may need that long"), (25, "delivers frames for up to 26 s")):
    of_config("function-timeout", f"sweep may run for {seconds} s, and {why}", *TIMEOUT, to=seconds)

for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "HTTPS_PROXY"):
    variable("environment", f"{name} sends calls meant for AWS elsewhere", name, "http://a.example")
variable("environment", "STAGE is not dev", "STAGE", "prod")
variable("environment", "STAGE is not prod", "STAGE", None, stage="prod")
for missing in ("JWT_ISSUER", "JWT_AUDIENCE", "JWT_ALGORITHMS", "SESSIONS_TABLE", "CONNECTIONS_TABLE", "EVENTS_TABLE"):
    variable("environment", f"{missing} is not set", missing, None)
variable("environment", "exactly one of", "JWT_SECRET", None)
variable("environment", "one family", "JWT_ALGORITHMS", "HS256,RS256")
variable("environment", "JWT_AUDIENCE holds a *", "JWT_AUDIENCE", "*")
OWN = ("stages", "dev", "lambda_functions", "sweep", "environment_variables")
of_config("environment", "JWT_ISSUER is not set. It is so in sweep.", *OWN, to={"JWT_ISSUER": ""})

# --- keys

PEM = "-----BEGIN {0} KEY-----\nMIGHaB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW\n-----END {0} KEY-----"
variable("key-references", "JWT_SECRET does not refer", "JWT_SECRET", "a long enough secret, for all to see")
PUBLIC: Any = {"JWT_SECRET": None, "JWT_ALGORITHMS": "ES256"}
for key in ("public", f"{PEM.format('PUBLIC')}\nand more"):
    variable("key-references", "JWT_PUBLIC_KEY does not refer", "JWT_PUBLIC_KEY", key, **PUBLIC)
for key in (
    PEM.format("PRIVATE"),
    PEM.format("PUBLIC") + PEM.format("RSA PRIVATE"),
    "local-abc",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "0123456789abcdef" * 2,
    "0123456789abcdef0123456789abcdef01234567",
    "q8Zr-3kV_0aTnB7yXw5LmE2c",
    "https://0123456789abcdef0123456789abcdef:q8Zr3kV0aTnB7yXw@o1.ingest.sentry.io/2",
    "postgres://user:hunter2@db.example.com/rooms",
    "ghp_" + "abcdefghij" * 3,
    "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
):
    variable("key-material", "SOMETHING seems to hold a key", "SOMETHING", key)
variable("key-material", "GIT_SHA seems to hold", "GIT_SHA", "q8Zr-3kV_0aTnB7yXw5LmE2c")
for name in ("DB_PASSWORD", "API_TOKEN", "SLACK_API_KEY"):
    variable("key-material", f"{name} seems to hold", name, "hunter2")
variable("key-material", "JWT_AUDIENCE seems to hold", "JWT_AUDIENCE", PEM.format("PRIVATE"))
variable("issuer-kept", "serve it over https", "JWT_ISSUER", "http://id.example.com", stage="prod")
for issuer in (
    *("https://sessions.local", "https://sessions.local.", "http://localhost:8080", "localhost"),
    *("https://0.0.0.0", "https://127.0.0.1/", "https://169.254.1.1", "https://[::1]/"),
):
    variable("issuer-kept", "name the issuer of this stage", "JWT_ISSUER", issuer, stage="prod")
for url in (
    *("http://127.0.0.1:8080/keys", "https://localhost/keys", "https://id.local/keys", "https:///keys"),
    *("https://169.254.169.254/keys", "https://user@id.example.com/keys"),
):
    variable("key-set-https", url, "JWT_JWKS_URL", url, **PUBLIC)

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
    *("https://app.example.com/", "app.example.com", "https://APP.example.com", "https://app.example.com:443"),
    *("https://app.example.com:port", "https://app.example.com?x", "https://me@app.example.com"),
    *("https://bücher.example", "ftp://app.example.com", "https://", "file://", "ws://app.example.com"),
    *("Capacitor://localhost", "capacitor://localhost/", "capacitor://", "capacitor:localhost"),
):
    variable("origins-exact", "which no browser sends", "ALLOWED_ORIGINS", origin)
variable("origins-exact", "serve it over https", "ALLOWED_ORIGINS", "http://app.example.com")
for origin in ("http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443", "https://app.localhost"):
    variable("origins-kept", origin, "ALLOWED_ORIGINS", f"https://app.example.com,{origin}", stage="prod")

# --- the APIs

for which in ("http_throttle", "websocket_throttle"):
    for what in ("rate", "burst"):
        of_operations("api-throttles", f"The {what} of {which} is 0", "dev", which, what, to=0)


def logged(fields: str, value: str) -> None:
    @spoils("access-log-formats", "in which a token", name=f"{fields} {value}")
    def how(project: Project) -> None:
        project.monkeypatch.setitem(getattr(gateway_settings, fields), "more", value)


for which in ("HTTP_FIELDS", "WEBSOCKET_FIELDS"):
    for value in (
        *("$context.path", "$context.customDomain.basePathMatched", "$context.identity.userAgent"),
        *("$context.authorizer.claims.sub", "$context.requestOverride.querystring.token", "$context.error.message"),
        *("$input.params('token')", "$stageVariables.key", "$context.requestId $context.path"),
    ):
        logged(which, value)


def traced(function: str, setting: str, value: object) -> None:
    @spoils("data-trace", "would log requests and answers", name=f"{function} {setting}")
    def how(project: Project) -> None:
        made = getattr(gateway_settings, function)
        project.monkeypatch.setattr(gateway_settings, function, lambda stage: {**made(stage), setting: value})


for which in ("method_settings", "route_settings"):
    traced(which, "DataTraceEnabled", True)
    traced(which, "LoggingLevel", "INFO")


@spoils("gateway-responses", "answer DEFAULT_5XX in its own form")
def some_errors_have_no_response(project: Project) -> None:
    left = tuple(one for one in RESPONSES if one.type != "DEFAULT_5XX")
    project.monkeypatch.setattr(apis, "RESPONSES", left)


@spoils("gateway-responses", "A page could not read THROTTLED")
def pages_read_no_response(project: Project) -> None:
    project.monkeypatch.delitem(CORS, "Access-Control-Allow-Origin")


@spoils("gateway-responses", "THROTTLED is not application/problem+json")
def responses_are_another_json(project: Project) -> None:
    project.monkeypatch.setitem(CORS, "Content-Type", "application/json")


# --- the tables

of_file("table-names", "is not JSON", "resources.json", lambda text: "{")
of_file("table-names", "resources.json has none: describe it there", "resources.json", lambda text: "{}")
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


of_table("table-ttl", "The table Events keeps its rows", "Events", "TimeToLiveSpecification")
of_table("table-ttl", "The table Events keeps its rows", "Events", "TimeToLiveSpecification", "Enabled", to=False)
of_table("table-ttl", "keeps its rows", "Sessions", "TimeToLiveSpecification", "AttributeName", to="expiresAt")
for kept in ("DeletionProtectionEnabled", "PointInTimeRecoverySpecification"):
    of_table("table-protection", "The table Events could be deleted", "Events", kept, stage="prod")
of_table("table-protection", "could be deleted", "Events", "DeletionProtectionEnabled", to=False, stage="prod")

# --- alarms

TOPICS = ("dev", "alarm_topics", "ticket")
TOPIC = "arn:aws:sns:eu-north-1:111122223333:ops"
for wrong_topic in ("ops@example.com", f"{TOPIC}/more"):
    of_operations("alarm-topics", f"{wrong_topic} in alarm_topics is not the ARN", *TOPICS, to=[wrong_topic])
of_operations("alarm-topics", "is a FIFO topic", *TOPICS, to=[f"{TOPIC}.fifo"])


@spoils("alarm-topics", f"{TOPIC} in alarm_topics is not in eu-west-1")
def a_topic_is_in_another_region(project: Project) -> None:
    with project.edited("operations.json") as operations:
        operations["dev"] |= {"region": "eu-west-1", "alarm_topics": {"page": [TOPIC], "ticket": []}}

"""The doctor with an account: a stage that stands passes, and each answer that is wrong is told by its own check."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import EndpointConnectionError

from deployment import __main__
from deployment.aws import Aws
from deployment.doctor.check import Outcome, Result
from deployment.doctor.registry import CHECKS_OF_ACCOUNT
from deployment.stage import MAKER, MARK
from tests.deployment.accounts import ACCOUNT, REGION, session
from tests.deployment.doctored import Project, failed

KEY = "k" * 64
UNSEEN = "nobody-may-see-me"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/logs"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:ops"
TAGS = {MARK: MAKER, "app": "sessions", "stage": "dev"}
STACK = {
    "StackName": "sessions-dev",
    "StackStatus": "CREATE_COMPLETE",
    "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()],
}


@dataclass(frozen=True)
class Refused:
    """An error that AWS answers with."""

    code: str
    message: str = "no"
    status: int = 400


MISSING = Refused("ResourceNotFoundException")
DENIED = Refused("AccessDenied", status=403)


def standing() -> dict[str, Any]:
    """Answers about a stage that stands, by operation; everything else is missing."""
    return {
        "sts.GetCallerIdentity": {"Account": ACCOUNT},
        "cloudformation.DescribeStacks": {"Stacks": [STACK]},
        "cloudformation.ListStackResources": {"StackResourceSummaries": []},
        "ssm.GetParameter": {"Parameter": {"Type": "SecureString", "Value": KEY}},
        "lambda.GetAccountSettings": {"AccountLimit": {"ConcurrentExecutions": 1000}},
        "service-quotas.GetServiceQuota L-8A5B8E43": {"Quota": {"Value": 10_000.0}},
        "service-quotas.GetAWSDefaultServiceQuota L-CDF5615A": {"Quota": {"Value": 5_000.0}},
        "apigateway.GetAccount": {"cloudwatchRoleArn": ROLE},
        "apigateway.GetRestApis": {"items": []},
        "apigatewayv2.GetApis": {"Items": []},
        "dynamodb.ListTables": {"TableNames": []},
        "iam.GetRole": {"Role": {"Arn": ROLE}},
        "sns.GetTopicAttributes": {"Attributes": {"SubscriptionsConfirmed": "1"}},
    }


class Answering:
    """Answers botocore's calls in place of the network. botocore still checks each request."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.by_default: Any = MISSING
        self.asked: list[str] = []
        self.places: list[str] = []
        self.session = session()
        self.session.register("before-parameter-build", self._note)
        self.session.register("before-call", self._answer)
        self.session.create_client = cache(self.session.create_client)  # type: ignore[method-assign]

    def stands(self) -> None:
        """Answers about a stage that stands, and forgets all others."""
        self.answers, self.by_default = standing(), MISSING
        self.asked.clear()
        self.places.clear()

    def _note(self, **event: Any) -> None:
        event["context"]["given"] = event["params"]

    def _answer(self, **event: Any) -> Any:
        model = event["model"]
        operation = f"{model.service_model.service_name}.{model.name}"
        self.asked.append(operation)
        self.places.append(f"{operation} of {urlsplit(event['params']['url']).hostname}")
        code = event["context"]["given"].get("QuotaCode", "")
        answer = self.answers.get(f"{operation} {code}".strip(), self.by_default)
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, Refused):
            return _Status(200), answer
        told = {"Error": {"Code": answer.code, "Message": answer.message}}
        return _Status(answer.status), {**told, "ResponseMetadata": {"HTTPStatusCode": answer.status}}


@dataclass(frozen=True)
class _Status:
    status_code: int


class Place:
    """A project and the account that it is examined in."""

    def __init__(self, project: Project, aws: Answering) -> None:
        self.project = project
        self.aws = aws
        self.answers = aws.answers

    def examine(self) -> dict[str, Result]:
        return self.project.examine("dev", Aws(self.aws.session))

    def set(self, **operations: Any) -> None:
        with self.project.edited("operations.json") as document:
            document["dev"].update(operations)

    def variables(self, **variables: str) -> None:
        with self.project.edited("config.json") as config:
            config["stages"]["dev"]["environment_variables"].update(variables)


@pytest.fixture(scope="module")
def aws() -> Answering:
    """One for all tests: it takes longer to make clients than to use them."""
    return Answering()


@pytest.fixture
def place(aws: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    aws.stands()
    return Place(Project(tmp_path, monkeypatch), aws)


def notes(results: dict[str, Result]) -> dict[str, str]:
    ours = {one.id for one in CHECKS_OF_ACCOUNT}
    return {id: " ".join(one.findings) for id, one in results.items() if id in ours and one.outcome is Outcome.NOTE}


def test_a_stage_that_stands_passes(place: Place) -> None:
    place.set(account=ACCOUNT, region=REGION, alarm_topics={"page": [TOPIC], "ticket": [TOPIC]})
    results = place.examine()
    assert failed(results) == {}
    assert notes(results) == {"identity": f"Account {ACCOUNT}, {REGION}."}


def test_asking_changes_nothing(place: Place) -> None:
    place.set(alarm_topics={"page": [TOPIC], "ticket": []})
    place.examine()
    asked = {one.partition(".")[2] for one in place.aws.asked}
    assert {one for one in asked if not one.startswith(("Get", "Describe", "List"))} == set()


def test_an_empty_account_is_told_what_the_first_deploy_makes(place: Place) -> None:
    place.answers.clear()
    place.answers.update({one: standing()[one] for one in standing() if not one.startswith(("ssm", "iam"))})
    place.answers["cloudformation.DescribeStacks"] = Refused("ValidationError", "Stack sessions-dev does not exist")
    place.answers["apigateway.GetAccount"] = {}
    place.answers["ssm.GetParameter"] = Refused("ParameterNotFound")
    results = place.examine()
    assert failed(results) == {}
    for check in ("key", "logs"):
        assert notes(results)[check].endswith("the first deploy makes it.")


# --- the signing key


def secret(text: str | bytes | None) -> dict[str, Any]:
    if text is None:
        return {"secretsmanager.GetSecretValue": Refused("ResourceNotFoundException")}
    return {"secretsmanager.GetSecretValue": {"SecretString" if isinstance(text, str) else "SecretBinary": text}}


def parameter(text: str, kind: str = "SecureString") -> dict[str, Any]:
    return {"ssm.GetParameter": {"Parameter": {"Type": kind, "Value": text}}}


IN_A_SECRET = {"JWT_SECRET": "secretsmanager:key"}
PEM = (
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
    "6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----"
)
PUBLIC = {"JWT_PUBLIC_KEY": "ssm:/public", "JWT_SECRET": "", "JWT_ALGORITHMS": "ES256"}


@pytest.mark.parametrize(
    ("variables", "answers", "said"),
    [
        ({}, parameter(UNSEEN), "shorter than its hash"),
        ({}, parameter(f"local-{UNSEEN}{KEY}"), "somebody's checkout"),
        ({}, parameter(f"{UNSEEN}{KEY}", "String"), "make it a SecureString"),
        ({}, {"ssm.GetParameter": Refused("ParameterNotFound")}, "jwt-secret, which is not there, or marked"),
        ({"JWT_SECRET": "ssm:other"}, {"ssm.GetParameter": Refused("ParameterNotFound")}, "ssm:other, which is not"),
        (IN_A_SECRET, secret(UNSEEN), "JWT_SECRET names secretsmanager:key, which holds a key that is shorter"),
        (IN_A_SECRET, secret(f'{{"key": "{UNSEEN}"}}'), "holds JSON"),
        (IN_A_SECRET, secret(UNSEEN.encode()), "which holds bytes"),
        (IN_A_SECRET, secret(None), "which is not there"),
        (PUBLIC, parameter(UNSEEN, "String"), "no public key in PEM"),
        (PUBLIC, parameter("-----BEGIN PRIVATE KEY-----", "String"), "holds a private key"),
    ],
)
def test_a_key_that_the_service_would_refuse_fails_and_is_not_shown(
    place: Place, variables: dict[str, str], answers: dict[str, Any], said: str
) -> None:
    place.variables(**variables)
    place.answers.update(answers)
    results = place.examine()
    assert failed(results).keys() == {"key"}
    assert said in failed(results)["key"]
    assert UNSEEN not in repr(results)


@pytest.mark.parametrize(
    ("variables", "answers"),
    [
        (IN_A_SECRET, secret(KEY)),
        (PUBLIC, parameter(PEM, "String")),
        ({"JWT_JWKS_URL": "https://issuer.example/keys", "JWT_SECRET": "", "JWT_ALGORITHMS": "ES256"}, {}),
    ],
)
def test_a_sound_key_passes(place: Place, variables: dict[str, str], answers: dict[str, Any]) -> None:
    place.variables(**variables)
    place.answers.update(answers)
    assert place.examine()["key"].outcome is Outcome.OK


@pytest.mark.parametrize("variables", [PUBLIC, IN_A_SECRET], ids=["public", "secret"])
def test_a_deploy_makes_no_public_key_and_no_secret(place: Place, variables: dict[str, str]) -> None:
    place.answers["cloudformation.DescribeStacks"] = Refused("ValidationError", "Stack sessions-dev does not exist")
    place.answers["ssm.GetParameter"] = Refused("ParameterNotFound")
    place.variables(**variables)
    assert failed(place.examine()).keys() == {"key"}


@pytest.mark.parametrize(
    ("reference", "region"),
    [("ssm:/key", REGION), ("ssm:arn:aws:ssm:eu-west-1:123456789012:parameter/key", "eu-west-1")],
)
def test_a_key_is_asked_for_in_its_own_region(place: Place, reference: str, region: str) -> None:
    place.variables(JWT_SECRET=reference)
    place.examine()
    assert f"ssm.GetParameter of ssm.{region}.amazonaws.com" in place.aws.places


# --- quotas


@pytest.mark.parametrize(
    ("operation", "answer", "said"),
    [
        (
            "service-quotas.GetServiceQuota L-8A5B8E43",
            99.0,
            "The rate of websocket_throttle is 100, and the account has 99",
        ),
        ("service-quotas.GetAWSDefaultServiceQuota L-CDF5615A", 199.0, "The burst of websocket_throttle is 200"),
    ],
)
def test_a_throttle_beyond_the_accounts_quota_fails(place: Place, operation: str, answer: float, said: str) -> None:
    place.answers[operation] = {"Quota": {"Value": answer}}
    results = place.examine()
    assert failed(results).keys() == {"quotas"}
    assert said in failed(results)["quotas"]


def test_a_raised_quota_admits_a_higher_throttle(place: Place) -> None:
    place.set(http_throttle={"rate": 12_000, "burst": 100})
    assert failed(place.examine()).keys() == {"quotas"}
    place.answers["service-quotas.GetServiceQuota L-8A5B8E43"] = {"Quota": {"Value": 20_000.0}}
    assert failed(place.examine()) == {}


@pytest.mark.parametrize(("each", "fails"), [(180, False), (181, True), (500, True)])
def test_a_hundred_executions_of_the_account_stay_unreserved(place: Place, each: int, fails: bool) -> None:
    with place.project.edited("config.json") as config:
        config["reserved_concurrency"] = each
    found = failed(place.examine())
    assert found.keys() == ({"quotas"} if fails else set())
    if fails:
        assert f"The functions reserve {5 * each} concurrent executions, and the account has 1000" in found["quotas"]


def test_a_new_account_is_told_that_it_runs_few_functions_at_once(place: Place) -> None:
    place.answers["lambda.GetAccountSettings"] = {"AccountLimit": {"ConcurrentExecutions": 10}}
    results = place.examine()
    assert failed(results) == {}
    assert "admit 300 calls at once, and Lambda runs 10" in notes(results)["quotas"]


def test_an_unknown_quota_is_a_note(place: Place) -> None:
    del place.answers["service-quotas.GetServiceQuota L-8A5B8E43"]
    results = place.examine()
    assert failed(results) == {}
    assert "Service Quotas has no L-8A5B8E43" in notes(results)["quotas"]


# --- logs, names, topics


@pytest.mark.parametrize(
    "answers", [{"apigateway.GetAccount": {}}, {"iam.GetRole": Refused("NoSuchEntity")}], ids=["none", "deleted"]
)
def test_a_stage_that_stands_needs_a_role_for_its_access_logs(place: Place, answers: dict[str, Any]) -> None:
    place.answers.update(answers)
    assert failed(place.examine()) == {"logs": "API Gateway has no working role for access logs: deploy again."}


def test_somebody_elses_function_is_named(place: Place) -> None:
    place.answers["lambda.ListTags"] = {"Tags": {"aws:cloudformation:stack-name": "theirs"}}
    found = failed(place.examine())
    assert found.keys() == {"names"}
    assert "function sessions-dev-sweep: made by the stack theirs" in found["names"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Refused("NotFound"), f"The topic {TOPIC} is not there"),
        ({"Attributes": {"KmsMasterKeyId": "alias/aws/sns"}}, "is encrypted with alias/aws/sns, so alarms cannot"),
        ({"Attributes": {"SubscriptionsConfirmed": "0"}}, "has no confirmed subscription"),
    ],
)
def test_a_topic_that_would_stay_silent_fails(place: Place, answer: Any, said: str) -> None:
    place.set(alarm_topics={"page": [TOPIC, f"{TOPIC}.fifo"], "ticket": ["ops@example.com"]})
    place.answers["sns.GetTopicAttributes"] = answer
    found = failed(place.examine())
    assert found.keys() == {"alarm-topics"}
    assert said in found["alarm-topics"]
    for one in ("is a FIFO topic", "ops@example.com in alarm_topics is not the ARN"):
        assert one in found["alarm-topics"], "the files are checked as well"


# --- asking


NAMED = "User: arn:aws:iam::123456789012:user/me is not authorized to perform: {} on resource: x"


@pytest.mark.parametrize(
    ("operation", "check", "right"),
    [
        ("ssm.GetParameter", "key", "ssm:GetParameter"),
        ("ssm.GetParameter", "key", "kms:Decrypt"),
        ("lambda.GetAccountSettings", "quotas", "lambda:GetAccountSettings"),
        ("apigateway.GetAccount", "logs", "apigateway:GET"),
        ("iam.GetRole", "logs", "iam:GetRole"),
        ("apigatewayv2.GetApis", "names", "apigateway:GET"),
        ("sns.GetTopicAttributes", "alarm-topics", "SNS:GetTopicAttributes"),
    ],
)
def test_a_missing_right_is_named_by_the_check_that_needs_it(
    place: Place, operation: str, check: str, right: str
) -> None:
    place.set(alarm_topics={"page": [TOPIC], "ticket": []})
    place.answers[operation] = Refused("AccessDeniedException", NAMED.format(right))
    results = place.examine()
    assert failed(results) == {}
    assert notes(results)[check].endswith(f"{operation.partition('.')[2]} is denied: allow the caller {right}.")
    assert notes(results).keys() == {check, "identity"}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (DENIED, "GetRole is denied: allow the caller that call."),
        (Refused("Whatever", status=403), "GetRole is denied: allow the caller that call."),
        (Refused("ThrottlingException"), "GetRole fails with ThrottlingException: ask again later."),
        (EndpointConnectionError(endpoint_url="https://iam"), "AWS cannot be reached (EndpointConnectionError)"),
    ],
)
def test_a_call_without_an_answer_is_a_note(place: Place, answer: Any, said: str) -> None:
    place.answers["iam.GetRole"] = answer
    assert said in notes(place.examine())["logs"]


def test_an_unknown_answer_hides_nothing_that_is_wrong(place: Place) -> None:
    place.answers["service-quotas.GetServiceQuota L-8A5B8E43"] = {"Quota": {"Value": 1.0}}
    place.answers["lambda.GetAccountSettings"] = DENIED
    found = failed(place.examine())["quotas"]
    assert "The rate of http_throttle is 50" in found
    assert "GetAccountSettings is denied" in found


@pytest.mark.parametrize(
    "setting", [{"account": "210987654321", "region": REGION}, {"account": None, "region": "eu-west-1"}]
)
def test_another_account_or_region_than_the_stages_fails(place: Place, setting: dict[str, Any]) -> None:
    place.set(**setting)
    found = failed(place.examine())
    assert found.keys() == {"identity"}
    assert found["identity"].startswith(f"Account {ACCOUNT}, {REGION} is asked")


def test_an_account_that_answers_nothing_fails(place: Place) -> None:
    place.answers.clear()
    place.answers["sts.GetCallerIdentity"] = {"Account": ACCOUNT}
    place.aws.by_default = DENIED
    assert failed(place.examine()) == {"identity": f"Account {ACCOUNT}, {REGION} answered none of the other checks."}


@pytest.fixture
def doctor(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], tuple[int, dict[str, Any]]]:
    """Runs the command with the environment as it is; returns its status and its checks by their ids."""

    def run() -> tuple[int, dict[str, Any]]:
        arguments = ["--project", str(place.project.root), "doctor", "--stage", "dev", "--account", "--json"]
        status = __main__.main(arguments)
        return status, {one["id"]: one for one in json.loads(capsys.readouterr().out)["checks"]}

    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return run


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "No region is chosen: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one."),
        (
            {"AWS_DEFAULT_REGION": REGION},
            "AWS does not say who we are, check the credentials: Unable to locate credentials.",
        ),
    ],
    ids=["region", "credentials"],
)
def test_the_command_fails_if_nobody_can_be_asked(
    doctor: Callable[[], tuple[int, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    said: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    status, checks = doctor()
    assert status == 1
    assert checks["identity"]["sentences"] == [said]
    assert {one["id"] for one in checks.values() if one["outcome"] == "failed"} == {"identity"}
    assert checks["names"]["sentences"] == ["Not asked, since identity failed."]

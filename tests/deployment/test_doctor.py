"""The doctor: the stages pass unchanged, and each breakage fails its own check and no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from deployment.doctor import check
from deployment.doctor.check import Check, Note, Outcome
from deployment.doctor.registry import CHECKS, CHECKS_OF_ACCOUNT
from tests.deployment import breakages
from tests.deployment.breaking import SPOILT, Break
from tests.deployment.doctored import Project, failed

INTERFACES = [
    *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
    *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
]
"""As in AWS's own policy for functions in a VPC."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_stages_as_they_are_pass(project: Project, stage: str) -> None:
    results = project.examine(stage)
    assert failed(results) == {}
    assert [one.check for one in results.values()] == list(CHECKS)


@pytest.mark.slow  # hundreds of cases of ten milliseconds
@pytest.mark.parametrize(("which", "stage", "how", "said"), SPOILT)
def test_what_is_broken_fails_its_check_and_no_other(
    project: Project, which: str, stage: str, how: Break, said: str
) -> None:
    how(project)
    found = failed(project.examine(stage))
    assert found.keys() == {which}, found
    assert said in found[which]


def test_each_check_is_broken_by_some_test() -> None:
    assert {one.values[0] for one in SPOILT} == {one.id for one in CHECKS}


def test_an_id_means_one_check() -> None:
    assert len({one.id for one in CHECKS}) == len(CHECKS)
    again = {one.id for one in CHECKS} & {one.id for one in CHECKS_OF_ACCOUNT}
    assert again == {"alarm-topics"}, "with an account, it is asked in place of the files alone"


@pytest.mark.parametrize("one", [*CHECKS, *CHECKS_OF_ACCOUNT], ids=lambda one: one.id)
def test_each_check_says_what_it_is_for_and_where_one_reads_of_it(one: Check[Any]) -> None:
    assert one.source.startswith("https://")
    assert one.title
    assert not one.title.endswith(".")


def test_what_cannot_be_looked_at_is_a_note(project: Project) -> None:
    (project.folder / "resources.json").unlink()
    results = project.examine("dev")
    assert results["table-names"].outcome is Outcome.FAILED
    assert results["table-ttl"].outcome is Outcome.NOTE
    assert results["table-ttl"].findings == ("Not looked at, since table-names failed.",)


def test_a_question_without_an_answer_hides_no_other_finding() -> None:
    def one() -> Any:
        yield "It is wrong."
        raise check.Unknown("Not known.")

    found = list(check.answers([one, lambda: [Note("Mind this.")]]))
    assert found == ["It is wrong.", "Not known.", "Mind this."]
    assert [type(sentence) for sentence in found] == [str, Note, Note]


def test_a_stage_without_topics_origins_and_a_place_is_told_so(project: Project) -> None:
    notes = {id: one.findings for id, one in project.examine("prod").items() if one.outcome is Outcome.NOTE}
    assert notes.keys() == {"alarm-topics", "origins-exact", "stage"}


def test_of_a_stage_that_is_not_there_nothing_else_is_said(project: Project) -> None:
    results = project.examine("nope")
    assert failed(results) == {"stage": "There is no stage 'nope' in .chalice/config.json, only dev, prod."}
    assert {id for id, one in results.items() if one.outcome is Outcome.OK} == {"lock", "access-log-formats"} | {
        "gateway-responses"
    }


@pytest.mark.parametrize("url", ["https://[x/keys", "http://id.example.com/keys"])
def test_the_service_refuses_some_key_sets_as_well(project: Project, url: str) -> None:
    with project.edited("config.json") as config:
        ours = config["stages"]["dev"]["environment_variables"]
        del ours["JWT_SECRET"]
        ours.update(JWT_JWKS_URL=url, JWT_ALGORITHMS="ES256")
    assert failed(project.examine("dev")).keys() == {"environment", "key-set-https"}


def test_what_app_py_prints_is_no_part_of_what_is_found(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.code(lambda text: f"{text}\nprint('hello')\n")
    assert failed(project.examine("dev")) == {}
    assert capsys.readouterr() == ("", "hello\n")


def test_native_apps_may_connect_to_a_stage_that_is_kept(project: Project) -> None:
    with project.edited("config.json") as config:
        ours = config["stages"]["prod"]["environment_variables"]
        ours["ALLOWED_ORIGINS"] = (
            "capacitor://localhost,ionic://localhost,tauri://localhost,https://localhost,app://one"
        )
    results = project.examine("prod")
    assert failed(results) == {}
    assert results["origins-exact"].outcome is Outcome.OK
    (note,) = results["origins-kept"].findings
    assert "https://localhost, for native apps on Android" in note


# --- accepted findings


def accept(project: Project, **reasons: str) -> None:
    with project.edited("operations.json") as operations:
        operations["dev"]["accepted"] = {check.replace("_", "-"): reason for check, reason in reasons.items()}


def test_an_accepted_finding_is_a_note_with_its_reason(project: Project) -> None:
    with project.edited("resources.json") as template:
        del template["Resources"]["Events"]["Properties"]["TimeToLiveSpecification"]
    accept(project, table_ttl="Events are kept for the auditors.")
    result = project.examine("dev")["table-ttl"]
    assert result.outcome is Outcome.NOTE
    told, reason = result.findings
    assert told.startswith("The table Events keeps its rows for ever")
    assert reason == "Accepted: Events are kept for the auditors."


def test_an_acceptance_without_a_finding_is_to_be_taken_out(project: Project) -> None:
    accept(project, table_ttl="Events are kept.", names="Another tool made them.", alarm_topics="We look each day.")
    results = project.examine("dev")
    assert "take this check out of accepted" in " ".join(results["table-ttl"].findings)
    assert "notify nobody" in " ".join(results["alarm-topics"].findings), "a note stays as it is"
    assert failed(results) == {}


def test_a_finding_of_the_account_may_be_accepted_though_it_is_not_asked(project: Project) -> None:
    accept(project, quotas="They are being raised.")
    assert failed(project.examine("dev")) == {}


# --- what must pass


PUBLIC_KEY = f"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE{'aB3d' * 22}\n-----END PUBLIC KEY-----"
PUBLISHED = {"JWT_SECRET": None, "JWT_ALGORITHMS": "RS256"}


@pytest.mark.parametrize(
    "variables",
    [
        {**PUBLISHED, "JWT_JWKS_URL": "https://10.0.0.1/keys"},
        {
            **PUBLISHED,
            "JWT_JWKS_URL": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI/.well-known/jwks.json",
            "JWT_ISSUER": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
        },
        {**PUBLISHED, "JWT_PUBLIC_KEY": PUBLIC_KEY},
        {"ISSUERS_KEY_IN_PEM": PUBLIC_KEY},
        {"JWT_AUDIENCE": "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW"},
        {"JWT_SECRET": "secretsmanager:sessions/prod/jwt"},
        {"JWT_SECRET": "ssm:arn:aws:ssm:eu-west-1:123456789012:parameter/sessions/key"},
        {"JWT_SECRET": "secretsmanager:arn:aws:secretsmanager:eu-west-1:123456789012:secret:sessions/prod-AbCdEf"},
        {"TOPIC": "arn:aws:sns:eu-west-1:123456789012:sessions-prod-AlarmTopic-1ABCDEFGHIJ2K"},
        {"BUILD": "72f988bf-86f1-41af-91ab-2d7cd011db47"},
        {"GIT_SHA": "0123456789abcdef0123456789abcdef01234567"},
        {"IMAGE_DIGEST": f"sha256:{'0123456789abcdef' * 4}"},
        {"SENTRY_DSN": "https://0123456789abcdef0123456789abcdef@o123.ingest.sentry.io/4567"},
        {"PAGE_TOKEN": "v2"},
        {"DB_PASSWORD": "secretsmanager:sessions/prod/db"},
        {"SHIPPING": "donaudampfschifffahrtsgesellschaft", "NUMBER": "12345678901234567890123456789012"},
        {"JWT_JWKS_URL": "", "HELP_PAGE": "http://help.example.com", "FALLBACK_HOST": "localhost"},
        {"ALLOWED_ORIGINS": "https://a.example.com, https://xn--bcher-kva.example:8443"},
    ],
    ids=lambda variables: " ".join(variables),
)
def test_sound_variables_pass(project: Project, variables: dict[str, str | None]) -> None:
    with project.edited("config.json") as config:
        ours = config["stages"]["prod"]["environment_variables"]
        ours.update(variables)
        config["stages"]["prod"]["environment_variables"] = {k: v for k, v in ours.items() if v is not None}
    assert failed(project.examine("prod")) == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"api_gateway_endpoint_type": "EDGE"},
        {"xray": False},
        {"lambda_functions": {"sweep": {"lambda_timeout": 60}}},
        {"lambda_functions": {"websocket_disconnect": {"lambda_memory_size": 256, "lambda_timeout": 26}}},
    ],
    ids=str,
)
def test_settings_that_are_a_matter_of_taste_pass(project: Project, settings: dict[str, Any]) -> None:
    with project.edited("config.json") as config:
        config.update(settings)
    assert failed(project.examine("dev")) == {}


def test_provisioned_tables_pass(project: Project) -> None:
    with project.edited("resources.json") as template:
        table = template["Resources"]["Events"]["Properties"]
        table |= {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 5}}
    assert failed(project.examine("dev")) == {}


def test_other_resources_and_parameters_beside_the_tables_pass(project: Project) -> None:
    with project.edited("resources.json") as template:
        template["Parameters"]["KmsKey"] = {"Type": "String", "Default": ""}
        template["Resources"]["Topic"] = {"Type": "AWS::SNS::Topic", "Properties": {}}
        template["Resources"]["Events"]["Properties"]["SSESpecification"] = {"KMSMasterKeyId": {"Ref": "KmsKey"}}
    assert failed(project.examine("dev")) == {}


@pytest.mark.parametrize(("region", "said"), [(None, "10000"), ("eu-south-1", "2500"), ("eu-west-1", "10000")])
def test_a_throttle_above_the_default_quota_is_a_note(project: Project, region: str | None, said: str) -> None:
    with project.edited("operations.json") as operations:
        operations["dev"] |= {"region": region, "http_throttle": {"rate": 12_000, "burst": 100}}
    result = project.examine("dev")["api-throttles"]
    assert result.outcome is Outcome.NOTE
    assert f"is 12000, and an account has {said} by default" in " ".join(result.findings)


def test_a_stage_with_everything_has_neither_notes_nor_failures(project: Project) -> None:
    with project.edited("operations.json") as operations:
        topics = {"page": ["arn:aws:sns:eu-west-1:111122223333:ops"], "ticket": []}
        operations["dev"] |= {"account": "123456789012", "region": "eu-west-1", "alarm_topics": topics}
    assert {one.outcome for one in project.examine("dev").values()} == {Outcome.OK}


def test_credentials_from_one_origin_pass(project: Project) -> None:
    one = 'allow_origin="https://app.example.com", allow_credentials=True,'
    project.code(lambda text: text.replace('allow_origin="*",', one))
    assert failed(project.examine("dev")) == {}


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "kms:Decrypt", "Resource": "arn:*:kms:*:*:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
        {"Action": ["s3:*"], "Resource": ["*"], "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
        {"Effect": "Deny", "Action": "*", "Resource": "*"},
        {"Action": "secretsmanager:GetSecretValue", "Resource": "arn:*:secretsmanager:*:*:secret:key-??????"},
        {"Action": INTERFACES, "Resource": "*"},
        {"Action": "execute-api:ManageConnections", "Resource": "arn:*:execute-api:*:*:abc123/api/GET/@connections/*"},
    ],
    ids=lambda statement: str(statement["Action"]),
)
def test_a_policy_with_more_named_rights_passes(project: Project, statement: dict[str, Any]) -> None:
    with project.edited("policies/dev/sweep.json") as policy:
        policy["Statement"].append({"Effect": "Allow", **statement})
    assert failed(project.examine("dev")) == {}


@pytest.mark.parametrize("actions", [INTERFACES, "ec2:*NetworkInterface*"])
def test_a_function_in_a_vpc_passes_with_the_rights_of_network_interfaces(project: Project, actions: Any) -> None:
    with project.edited("config.json") as config:
        config["lambda_functions"]["sweep"] |= breakages.NETWORK
    condition = {"Condition": {"StringEquals": {"ec2:Vpc": "vpc-1"}}} if isinstance(actions, str) else {}
    with project.edited("policies/dev/sweep.json") as policy:
        policy["Statement"].append({"Effect": "Allow", "Action": actions, "Resource": "*", **condition})
    assert failed(project.examine("dev")) == {}


def test_a_role_that_somebody_else_manages_passes(project: Project) -> None:
    role = {"manage_iam_role": False, "iam_role_arn": "arn:aws:iam::123456789012:role/sweep"}
    with project.edited("config.json") as config:
        config["stages"]["dev"]["lambda_functions"].update(sweep=role, websocket_connect=role)
    assert failed(project.examine("dev")) == {}


def test_a_permissions_boundary_passes(project: Project) -> None:
    with project.edited("operations.json") as operations:
        operations["dev"]["permissions_boundary"] = "arn:aws:iam::123456789012:policy/bound"
    assert failed(project.examine("dev")) == {}


@pytest.mark.parametrize(("name", "refused"), [("eu-2", False), ("Staging", True)])
def test_another_stage_passes_if_stacks_and_tables_take_its_name(project: Project, name: str, refused: bool) -> None:
    for file in ("config.json", "operations.json"):
        with project.edited(file) as document:
            stages = document.get("stages", document)
            stages[name] = json.loads(json.dumps(stages["prod"]).replace("prod", name))
    shutil.copytree(project.folder / "policies" / "prod", project.folder / "policies" / name)
    with project.edited("config.json") as config:
        config["stages"][name].update(api_gateway_stage="v1", tags={"team": "rooms"})
    found = failed(project.examine(name))
    assert found.keys() == ({"stage"} if refused else set())

"""The seed of a stranger's project: once for all tests, before the app, as the app sees the world, and uncounted."""

from __future__ import annotations

import pytest

from tests.strangers import PYPROJECT, Stranger, write_project

SETTINGS = f'[tool.sessionplugin]\nseed = "dev/seed.py"\n{PYPROJECT}'

SEED = """
import os
from pathlib import Path

import boto3

from chalicelib.rules import RULE


def seed():
    with open(Path(__file__).with_name("runs"), "a") as runs:
        runs.write("x")
    boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"]).put_item(Item={"name": "seeded", "people": 1})
    boto3.client("ssm").put_parameter(Name="/chat/key", Value=f"{RULE} {os.environ['WHO']}", Type="String")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket=f"{os.environ['WHO']}-files")
    s3.put_object(Bucket=f"{os.environ['WHO']}-files", Key="made", Body=os.environ["AWS_REGION"])
"""

APP = """
import boto3
from chalice import Chalice

app = Chalice(app_name="chat")
KEY = boto3.client("ssm").get_parameter(Name="/chat/key")["Parameter"]["Value"]


@app.route("/")
def index():
    return {"key": KEY}
"""


@pytest.fixture
def seeded(stranger: Stranger) -> Stranger:
    write_project(stranger.root, APP, SETTINGS + 'WHO = "stage"\n')
    for name, text in {"dev/seed.py": SEED, "chalicelib/rules.py": "RULE = 'open'"}.items():
        (stranger.root / name).parent.mkdir(exist_ok=True)
        (stranger.root / name).write_text(text)
    return stranger


def test_every_test_begins_with_it_and_it_runs_once(seeded: Stranger) -> None:
    run = seeded.test(
        test_seeded="""
        import sys
        import boto3
        import pytest

        @pytest.mark.parametrize("time", [1, 2])
        def test_rows_objects_and_parameters(dynamodb_tables, aws_calls, time):
            assert len(aws_calls) == 0
            assert "chalicelib.rules" not in sys.modules and "app" not in sys.modules
            assert dynamodb_tables["Rooms"].scan()["Items"] == [{"name": "seeded", "people": 1}]
            dynamodb_tables["Rooms"].delete_item(Key={"name": "seeded"})
            s3 = boto3.client("s3")
            assert s3.get_object(Bucket="stage-files", Key="made")["Body"].read() == b"us-east-1"
            s3.put_object(Bucket="stage-files", Key="made", Body=b"changed")

        def test_its_changes_are_before_the_test(chalice_gateway):
            assert chalice_gateway.deliver_events() == []

        @pytest.mark.parametrize("time", [1, 2])
        def test_the_app_finds_it_when_it_is_imported(chalice_gateway, time):
            assert chalice_gateway.http().get("/").json() == {"key": "open stage"}

        @pytest.mark.chalice(env={"WHO": "marked"})
        def test_variables_of_a_mark_are_not_its_own(chalice_gateway):
            assert chalice_gateway.http().get("/").json() == {"key": "open stage"}

        def test_it_ran_once(pytestconfig):
            assert (pytestconfig.rootpath / "dev" / "runs").read_text() == "x"
        """
    )
    run.assert_outcomes(passed=7)


def test_a_fixtures_variables_are_its_own_and_each_set_up_of_tables_has_it(seeded: Stranger) -> None:
    env = """
        import boto3
        import pytest

        @pytest.fixture(scope="session")
        def chalice_env():
            return {"WHO": "fixture", "AWS_DEFAULT_REGION": "eu-west-1"}

        def test_it(dynamodb_tables):
            assert boto3.client("s3").get_object(Bucket="fixture-files", Key="made")["Body"].read() == b"eu-west-1"
    """
    rows = """
        import pytest

        @pytest.fixture(scope="session")
        def dynamodb_seed():
            return {"Rooms": [{"name": "row"}]}

        def test_it(dynamodb_tables):
            assert {row["name"] for row in dynamodb_tables["Rooms"].scan()["Items"]} == {"row", "seeded"}
    """
    seeded.test(test_env=env, test_rows=rows).assert_outcomes(passed=2)


OTHER = """
import os

import boto3

from chalicelib.rules import RULE


def seed():
    boto3.client("ssm").put_parameter(Name="/other", Value=f"{RULE} {os.environ['WHO']}", Type="String")
"""


@pytest.mark.parametrize("mark", ["", "@pytest.mark.chalice(fresh=True)"])
def test_another_project_brings_its_own_whenever_it_is_asked_for(seeded: Stranger, mark: str) -> None:
    other = write_project(
        seeded.root / "other",
        APP.replace("/chat/key", "/other"),
        '[tool.sessionplugin]\nseed = "seed.py"\n[tool.sessionplugin.env]\nWHO = "other"\n',
    )
    (other / ".chalice" / "resources.json").unlink()
    (other / "seed.py").write_text(OTHER)
    (other / "chalicelib").mkdir()
    (other / "chalicelib" / "rules.py").write_text("RULE = 'closed'")
    run = seeded.test(
        test_of=f"""
        import boto3
        import os
        import pytest

        {mark}
        @pytest.mark.parametrize("time", [1, 2])
        def test_both(chalice_gateway, aws_faults, aws_calls, time):
            aws_faults.throttled("ssm", times=1)
            calls = len(aws_calls)
            tables = chalice_gateway.tables.of("other")
            assert len(aws_calls) == calls
            assert os.environ["WHO"] == "stage"
            assert chalice_gateway.http().get("/").json() == {{"key": "open stage"}}
            boto3.client("ssm").get_parameter(Name="/other")
            assert aws_calls.retries == 1  # the fault was not the seed's
            assert chalice_gateway.of("other").http().get("/").json() == {{"key": "closed other"}}
        """
    )
    run.assert_outcomes(passed=2)


def test_its_error_is_a_sentence_with_its_lines(seeded: Stranger) -> None:
    (seeded.root / "dev" / "seed.py").write_text("import boto3\ndef seed():\n    boto3.client('s3').get_object()\n")
    run = seeded.test(test_it="def test_it(dynamodb_tables): pass")
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(
        [
            "*the seed *dev/seed.py failed, its seed() raised ParamValidationError: *",
            "*boto3.client('s3').get_object()*",
        ]
    )


def test_a_block_without_pytest_has_it(seeded: Stranger) -> None:
    run = seeded.test(
        test_block="""
        import boto3
        from pytest_sessionplugin import Project, in_memory

        def test_it(request):
            with in_memory(Project(request.config.rootpath)):
                assert boto3.client("ssm").get_parameter(Name="/chat/key")["Parameter"]["Value"] == "open stage"
        """
    )
    run.assert_outcomes(passed=1)

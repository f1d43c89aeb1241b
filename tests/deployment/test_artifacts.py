"""Zips and templates are kept in a bucket of our own account, protected, once for each content."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployment.artifacts import Artifacts, Code
from deployment.aws import Aws
from deployment.errors import DeploymentError
from tests.deployment.accounts import ACCOUNT, Answers, emulated

pytestmark = pytest.mark.emulator

BUCKET = f"sessions-artifacts-{ACCOUNT}-eu-central-1"
OWNED = {"Bucket": BUCKET, "ExpectedBucketOwner": ACCOUNT}
WITHOUT_OWNER = {"CreateBucket"}
"""The one operation without a parameter for the bucket's owner."""


@pytest.fixture
def aws() -> Iterator[Aws]:
    with emulated() as account:
        yield account


@pytest.fixture
def bucket(aws: Aws) -> Artifacts:
    """A bucket as `ensure` makes it, but for its policy: moto denies whatever has a condition that it does not know."""
    made = Artifacts(aws, "sessions")
    made.ensure()
    aws.client("s3").delete_bucket_policy(**OWNED)
    return made


@pytest.fixture
def code(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "deployment.zip"
    path.write_bytes(b"the zip")
    return path, hashlib.sha256(b"the zip").hexdigest()


def settings(s3: Any) -> dict[str, Any]:
    """Settings of the bucket, and its policy's statements."""
    return {
        "versions": s3.get_bucket_versioning(**OWNED)["Status"],
        "public": s3.get_public_access_block(**OWNED)["PublicAccessBlockConfiguration"],
        "owner": s3.get_bucket_ownership_controls(**OWNED)["OwnershipControls"]["Rules"],
        "encryption": s3.get_bucket_encryption(**OWNED)["ServerSideEncryptionConfiguration"]["Rules"][0][
            "ApplyServerSideEncryptionByDefault"
        ],
        "policy": json.loads(s3.get_bucket_policy(**OWNED)["Policy"])["Statement"],
    }


PROTECTED = {
    "versions": "Enabled",
    "public": dict.fromkeys(
        ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"], True
    ),
    "owner": [{"ObjectOwnership": "BucketOwnerEnforced"}],
    "encryption": {"SSEAlgorithm": "AES256"},
    "policy": [
        {
            "Sid": "OnlyByTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}


def test_an_absent_bucket_is_made_and_protected(aws: Aws) -> None:
    artifacts = Artifacts(aws, "sessions")
    assert artifacts.bucket == BUCKET
    assert artifacts.ensure() is True
    assert settings(aws.client("s3")) == PROTECTED
    assert aws.client("s3").get_bucket_location(**OWNED)["LocationConstraint"] == "eu-central-1"


def test_a_bucket_whose_making_was_interrupted_gets_its_settings(aws: Aws) -> None:
    aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    assert Artifacts(aws, "sessions").ensure() is False
    assert settings(aws.client("s3")) == PROTECTED


def test_the_first_region_is_named_by_no_location() -> None:
    with emulated("us-east-1") as aws:
        assert Artifacts(aws, "sessions").ensure() is True
        where = aws.client("s3").get_bucket_location(Bucket=f"sessions-artifacts-{ACCOUNT}-us-east-1")
    assert where["LocationConstraint"] is None


def test_a_name_of_the_app_that_s3_does_not_take_is_rewritten(aws: Aws) -> None:
    assert Artifacts(aws, "My-App").bucket == f"my-app-artifacts-{ACCOUNT}-eu-central-1"


def test_a_name_too_long_for_a_bucket_is_refused(aws: Aws) -> None:
    with pytest.raises(DeploymentError, match="shorten app_name"):
        Artifacts(aws, "s" * 28)
    assert len(Artifacts(aws, "s" * 27).bucket) == 63


def test_each_call_names_the_account_that_must_own_the_bucket(aws: Aws, code: tuple[Path, str]) -> None:
    asked: dict[str, Any] = {}

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        asked.setdefault(model.name, []).append(params)

    s3, artifacts = aws.client("s3"), Artifacts(aws, "sessions")
    s3.meta.events.register("provide-client-params.s3", note)
    artifacts.ensure()
    s3.delete_bucket_policy(**OWNED)  # as moto needs it
    artifacts.put_code(*code)
    artifacts.template_url("dev", artifacts.put_template("dev", "one", {}) and "one")
    with pytest.raises(DeploymentError):
        artifacts.template_url("dev", "two")
    assert asked.keys() >= {"HeadBucket", "PutBucketPolicy", "HeadObject", "PutObject", "ListObjectsV2"}
    assert {one for one, calls in asked.items() for call in calls if call.get("ExpectedBucketOwner") != ACCOUNT} == (
        WITHOUT_OWNER
    )


@pytest.mark.parametrize("taken", ["head", "create"])
def test_a_bucket_of_another_account_ends_the_deploy_before_anything_is_uploaded(taken: str) -> None:
    answers = Answers("s3")
    if taken == "head":
        answers.stubs["s3"].add_client_error("head_bucket", "403", expected_params=OWNED)
    else:
        answers.stubs["s3"].add_client_error("head_bucket", "404", expected_params=OWNED)
        answers.stubs["s3"].add_client_error("create_bucket", "BucketAlreadyExists")
    with answers.given() as aws, pytest.raises(DeploymentError, match=f"{BUCKET} is not of account {ACCOUNT}"):
        Artifacts(aws, "sessions").ensure()


def test_a_bucket_that_another_deploy_makes_at_the_same_time_is_used() -> None:
    answers = Answers("s3")
    answers.stubs["s3"].add_client_error("head_bucket", "404")
    answers.stubs["s3"].add_client_error("create_bucket", "BucketAlreadyOwnedByYou")
    known = {"ResponseMetadata": {"HTTPStatusCode": 200}}
    answers.stubs["s3"].add_response("head_bucket", known, OWNED)  # waits until the new bucket is known
    for setting in ("public_access_block", "bucket_ownership_controls", "bucket_encryption", "bucket_policy"):
        answers.stubs["s3"].add_response(f"put_{setting}", {})
    answers.stubs["s3"].add_response("put_bucket_versioning", {})
    with answers.given() as aws:
        assert Artifacts(aws, "sessions").ensure() is True


@pytest.mark.parametrize("call", ["head_bucket", "create_bucket"])
def test_another_refusal_is_told_as_it_is(call: str) -> None:
    answers = Answers("s3")
    if call == "create_bucket":
        answers.stubs["s3"].add_client_error("head_bucket", "404")
    answers.stubs["s3"].add_client_error(call, "SlowDown")
    with answers.given() as aws, pytest.raises(ClientError, match="SlowDown"):
        Artifacts(aws, "sessions").ensure()


def test_the_same_code_is_uploaded_once(aws: Aws, bucket: Artifacts, code: tuple[Path, str]) -> None:
    first, again = bucket.put_code(*code), bucket.put_code(*code)
    (kept,) = aws.client("s3").list_object_versions(**OWNED)["Versions"]
    assert first == again == Code(BUCKET, f"code/{code[1]}.zip", kept["VersionId"])


def test_an_object_with_other_content_under_the_name_of_the_code_is_not_used(
    aws: Aws, bucket: Artifacts, code: tuple[Path, str]
) -> None:
    path, digest = code
    key = f"code/{digest}.zip"
    another = aws.client("s3").put_object(**OWNED, Key=key, Body=b"another", ChecksumAlgorithm="SHA256")
    put = bucket.put_code(path, digest)
    assert put.version != another["VersionId"]
    assert aws.client("s3").get_object(**OWNED, Key=key, VersionId=put.version)["Body"].read() == b"the zip"


@pytest.mark.parametrize("kept", ["not there", "older than the versions"])
def test_s3_is_given_the_digest_to_hold_the_upload_against(code: tuple[Path, str], kept: str) -> None:
    path, digest = code
    answers, key = Answers("s3"), {**OWNED, "Key": f"code/{digest}.zip"}
    stub, asked = answers.stubs["s3"], {**key, "ChecksumMode": "ENABLED"}
    checksum = base64.b64encode(bytes.fromhex(digest)).decode()
    if kept == "not there":
        stub.add_client_error("head_object", "404", expected_params=asked)
    else:
        stub.add_response("head_object", {"VersionId": "null", "ChecksumSHA256": checksum}, asked)
    stub.add_response(
        "put_object",
        {"VersionId": "v1"},
        {**key, "Body": b"the zip", "ChecksumAlgorithm": "SHA256", "ChecksumSHA256": checksum},
    )
    with answers.given() as aws:
        assert Artifacts(aws, "sessions").put_code(path, digest).version == "v1"


def test_a_bucket_that_keeps_no_versions_yet_says_so(aws: Aws, bucket: Artifacts, code: tuple[Path, str]) -> None:
    aws.client("s3").delete_bucket(**OWNED)
    aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for _ in range(2):
        with pytest.raises(DeploymentError, match="does not keep versions yet"):
            bucket.put_code(*code)


def test_a_kept_template_is_found_by_stage_and_version(aws: Aws, bucket: Artifacts) -> None:
    url = bucket.put_template("dev", "0123456789ab", {"Resources": {}})
    key = "templates/dev/0123456789ab.json"
    kept = aws.client("s3").get_object(**OWNED, Key=key)
    assert json.loads(kept["Body"].read()) == {"Resources": {}}
    assert url == f"https://s3.eu-central-1.amazonaws.com/{BUCKET}/{key}?versionId={kept['VersionId']}"
    assert bucket.template_url("dev", "0123456789ab") == url
    assert bucket.put_template("dev", "0123456789ab", {"Resources": {}}) == url
    assert bucket.put_template("dev", "0123456789ab", {"Resources": {"Topic": {}}}) != url


def test_an_unknown_version_names_those_that_are_kept_latest_first() -> None:
    def page(*entries: tuple[str, int], **more: Any) -> dict[str, Any]:
        objects = [
            {"Key": f"templates/dev/{name}.json", "LastModified": datetime(2026, 1, day, tzinfo=UTC)}
            for name, day in entries
        ]
        return {"Contents": objects, **more}

    answers = Answers("s3")
    stub, asked = answers.stubs["s3"], {**OWNED, "Prefix": "templates/dev/"}
    stub.add_client_error("head_object", "404")
    first = page(("aaa", 1), ("bbb", 3), IsTruncated=True, NextContinuationToken="next")
    stub.add_response("list_objects_v2", first, asked)
    stub.add_response("list_objects_v2", page(("ccc", 2)), {**asked, "ContinuationToken": "next"})
    with answers.given() as aws, pytest.raises(DeploymentError) as told:
        Artifacts(aws, "sessions").template_url("dev", "zzz")
    assert str(told.value) == "No version zzz of dev is kept. Kept are: bbb, ccc, aaa."


def test_without_a_bucket_no_version_is_kept(aws: Aws) -> None:
    with pytest.raises(DeploymentError, match="Kept are: none"):
        Artifacts(aws, "sessions").template_url("dev", "0123456789ab")


def test_a_refused_look_at_the_kept_versions_is_told_as_it_is() -> None:
    for call in ("head_object", "list_objects_v2"):
        answers = Answers("s3")
        if call == "list_objects_v2":
            answers.stubs["s3"].add_client_error("head_object", "404")
        answers.stubs["s3"].add_client_error(call, "AccessDenied")
        with answers.given() as aws, pytest.raises(ClientError, match="AccessDenied"):
            Artifacts(aws, "sessions").template_url("dev", "0123456789ab")

"""The bucket of an account and region that keeps what was deployed: zips by their content, templates by version.

Each call names the account that must own the bucket, so that somebody else's bucket of that name gets nothing:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from deployment.aws import Aws, code_of
from deployment.errors import DeploymentError

LONGEST: Final = 63
"""Longest name of a bucket: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
FIRST_REGION: Final = "us-east-1"
"""The region that CreateBucket takes as no location at all:

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
"""
ABSENT: Final = frozenset({"404", "NoSuchBucket", "NoSuchKey"})
LISTED: Final = 20
"""The most kept versions that an error names."""


@dataclass(frozen=True)
class Code:
    """The object that holds a zip."""

    bucket: str
    key: str
    version: str


class Artifacts:
    """The bucket `<app>-artifacts-<account>-<region>`. The constructor asks AWS who we are. Raises DeploymentError."""

    def __init__(self, aws: Aws, app: str) -> None:
        self._place = aws.place
        self._client = aws.client("s3")
        self._owner = {"ExpectedBucketOwner": self._place.account}
        self.bucket = f"{app.lower()}-artifacts-{self._place.account}-{self._place.region}"
        if len(self.bucket) > LONGEST:
            raise DeploymentError(
                f"The bucket {self.bucket} has a name of more than {LONGEST} characters: shorten app_name."
            )

    def ensure(self) -> bool:
        """Creates the bucket if it is absent, and puts its settings; returns whether it created it.

        Raises DeploymentError if it is another account's.
        """
        made = not self._exists()
        if made:
            self._create()
        self._protect()
        return made

    def put_code(self, path: Path, digest: str) -> Code:
        """Uploads the zip unless an object with its content is there. `digest` is its SHA-256 in hex."""
        key = f"code/{digest}.zip"
        return Code(self.bucket, key, self._put(key, path.read_bytes(), bytes.fromhex(digest)))

    def put_template(self, stage: str, version: str, template: Mapping[str, Any]) -> str:
        """Keeps the template; returns its URL for CloudFormation."""
        body = json.dumps(template, separators=(",", ":")).encode()
        key = _template(stage, version)
        return self._url(key, self._put(key, body, hashlib.sha256(body).digest()))

    def template_url(self, stage: str, version: str) -> str:
        """URL of a kept template. Raises DeploymentError, which names the versions that are kept."""
        key = _template(stage, version)
        there = self._head(key)
        if there is None:
            raise DeploymentError(f"No version {version} of {stage} is kept. Kept are: {self._kept(stage)}.")
        return self._url(key, there["VersionId"])

    def _exists(self) -> bool:
        try:
            self._client.head_bucket(Bucket=self.bucket, **self._owner)
        except ClientError as error:
            if code_of(error) == "403":
                raise self._elsewhere() from error
            if code_of(error) not in ABSENT:
                raise
            return False
        return True

    def _create(self) -> None:
        """CreateBucket has no parameter for the expected owner, and refuses a name that is taken."""
        region = self._place.region
        where = {} if region == FIRST_REGION else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._client.create_bucket(Bucket=self.bucket, **where)
        except ClientError as error:
            if code_of(error) == "BucketAlreadyExists":
                raise self._elsewhere() from error
            if code_of(error) != "BucketAlreadyOwnedByYou":
                raise
        self._client.get_waiter("bucket_exists").wait(Bucket=self.bucket, **self._owner)

    def _protect(self) -> None:
        """Puts all settings each time: a deploy may have been interrupted between two of them."""
        which: dict[str, Any] = {"Bucket": self.bucket, **self._owner}
        client = self._client
        client.put_public_access_block(
            **which,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        client.put_bucket_ownership_controls(
            **which, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        )
        client.put_bucket_encryption(
            **which,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        client.put_bucket_policy(**which, Policy=json.dumps(self._policy()))
        client.put_bucket_versioning(**which, VersioningConfiguration={"Status": "Enabled"})

    def _policy(self) -> dict[str, Any]:
        arn = f"arn:{self._place.partition}:s3:::{self.bucket}"
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "OnlyByTls",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [arn, f"{arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }

    def _put(self, key: str, body: bytes, digest: bytes) -> str:
        """Returns the version of the object. S3 refuses a body that is not the digest's. Raises DeploymentError."""
        checksum = base64.b64encode(digest).decode()
        there = self._head(key)
        if there is None or there.get("ChecksumSHA256") != checksum:
            there = self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=body,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=checksum,
                **self._owner,
            )
        version: str | None = there.get("VersionId")
        if version is None:
            raise DeploymentError(
                f"{self.bucket} does not keep versions yet, which takes up to 15 minutes in a new bucket: "
                "run the same command again then."
            )
        return version

    def _head(self, key: str) -> Mapping[str, Any] | None:
        """The object, or None if it is absent or older than the bucket's versions."""
        try:
            there: Mapping[str, Any] = self._client.head_object(
                Bucket=self.bucket, Key=key, ChecksumMode="ENABLED", **self._owner
            )
        except ClientError as error:
            if code_of(error) not in ABSENT:
                raise
            return None
        return there if there.get("VersionId", "null") != "null" else None

    def _kept(self, stage: str) -> str:
        """The kept versions of a stage, latest first."""
        folder = _template(stage, "").removesuffix(".json")
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder, **self._owner)
        try:
            found = [one for page in pages for one in page.get("Contents", [])]
        except ClientError as error:
            if code_of(error) not in ABSENT:
                raise
            found = []
        found.sort(key=lambda one: one["LastModified"], reverse=True)
        return ", ".join(one["Key"].removeprefix(folder).removesuffix(".json") for one in found[:LISTED]) or "none"

    def _url(self, key: str, version: str) -> str:
        """The form in which AWS's own CLI gives CloudFormation a version of a template:

        https://github.com/aws/aws-cli/blob/develop/awscli/customizations/s3uploader.py
        """
        place = self._place
        return f"https://s3.{place.region}.{place.suffix}/{self.bucket}/{key}?versionId={version}"

    def _elsewhere(self) -> DeploymentError:
        return DeploymentError(
            f"The bucket {self.bucket} is not of account {self._place.account}, or its owner denies us its use. "
            "Nothing was uploaded: find out whose it is, or choose another app_name."
        )


def _template(stage: str, version: str) -> str:
    return f"templates/{stage}/{version}.json"

"""An environment without the AWS settings of the user who runs the tests."""

from __future__ import annotations

import os

REGION = "eu-central-1"
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "made-up-and-never-checked"
NOWHERE = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def without_aws() -> dict[str, str]:
    """This process's environment without account, region or any route to AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **NOWHERE, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

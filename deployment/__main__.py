"""`python -m deployment deploy|destroy --stage dev`: what `make deploy` and `make destroy` run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deployment import chalice_app, commands, stage
from deployment.aws import Aws
from deployment.errors import REPEAT, DeploymentError
from deployment.progress import Progress
from deployment.stacks import Stacks

ROOT = Path(__file__).parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Gives the exit status: 0 done, 1 refused or failed."""
    asked = parser().parse_args(arguments)
    try:
        run(asked)
    except DeploymentError as error:
        return _failed(str(error))
    except (ClientError, BotoCoreError) as error:
        return _failed(f"AWS refused: {str(error).rstrip('.')}. {REPEAT}")
    return 0


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(prog="python -m deployment", description=__doc__)
    described.add_argument("--project", type=Path, default=ROOT, help="the folder of app.py (this checkout)")
    subcommands = described.add_subparsers(dest="command", required=True)
    for name, does in {
        "deploy": "from whatever is in the account to a running stage; may be repeated",
        "destroy": "takes a stage back, its tables and their data included",
    }.items():
        one = subcommands.add_parser(name, help=does, description=does)
        one.add_argument("--stage", required=True, help="a stage of .chalice/config.json, such as dev")
        one.add_argument("--verbose", action="store_true", help="show what Chalice says meanwhile")
        if name == "destroy":
            one.add_argument("--confirm", metavar="STAGE", help="for a stage whose data is kept: its name once more")
    return described


def run(asked: argparse.Namespace) -> None:
    """Raises DeploymentError, and what botocore raises."""
    target = stage.read(asked.project.resolve(), asked.stage)
    aws = Aws(chalice_app.session())
    place = aws.place
    progress = Progress(sys.stdout, verbose=asked.verbose)
    print(f"{target.app}, stage {target.name}, account {place.account}, {place.region}")
    if asked.command == "destroy":
        if target.kept and asked.confirm != target.name:
            raise DeploymentError(f"{target.name} keeps its data; to destroy it for good: CONFIRM={target.name}")
        commands.destroy(aws, target, progress, Stacks(aws))
        return
    for name, url in commands.deploy(aws, target, progress, Stacks(aws)).items():
        print(f"  {name:10} {url}")


def _failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

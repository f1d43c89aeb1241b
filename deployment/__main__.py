"""The command behind `make`: `python -m deployment doctor|package|key|disconnect --stage dev`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deployment import chalice, key, lint, package, sockets, source, stage
from deployment.aws import Aws
from deployment.doctor import examination, report
from deployment.errors import REPEAT, DeploymentError
from deployment.progress import Progress

ROOT = Path(__file__).parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 done, 1 refused or failed."""
    asked = parser().parse_args(arguments)
    try:
        if asked.command == "doctor":
            return examined(asked)
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
        "package": "writes the stage as one CloudFormation template and its zip, for a pipeline; asks AWS nothing",
        "key": "creates the signing key unless it exists, as a deploy does; a pipeline cannot do this",
        "disconnect": "closes all open sockets, as after a leaked key; clients that have a valid token come back",
    }.items():
        one = subcommands.add_parser(name, help=does, description=does)
        one.add_argument("--stage", required=True, help="a stage of .chalice/config.json, such as dev")
        one.add_argument("--verbose", action="store_true", help="show Chalice's output as well")
        if name == "package":
            one.add_argument("--out", type=Path, help="the folder to write to (build/STAGE)")
    doctor = subcommands.add_parser(
        "doctor",
        help="checks a stage before it is deployed",
        description="Checks configuration, template and policies, one line for each check. "
        "Asks AWS nothing without --account.",
        epilog="ok: the rule holds. note: worth knowing. FAILED: no deploy until it is fixed. "
        "The exit status is 1 if any check failed. Each check has a stable id, and with --json a page about it.",
    )
    doctor.add_argument("--stage", required=True, help="a stage of .chalice/config.json, such as dev")
    doctor.add_argument("--account", action="store_true", help="also ask the account, with read calls only")
    doctor.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return described


def examined(asked: argparse.Namespace) -> int:
    """Prints the doctor's findings. The exit status is 1 if a check failed."""
    aws = Aws(chalice.session()) if asked.account else None
    results = examination.examine(asked.project.resolve(), asked.stage, aws)
    if asked.json:
        print(report.document(asked.stage, results))
    else:
        coloured = report.is_coloured(sys.stdout, os.environ)
        print(*report.lines(asked.stage, results, coloured=coloured), sep="\n")
    return 1 if report.failures(results) else 0


def run(asked: argparse.Namespace) -> None:
    """Raises DeploymentError, and botocore's errors."""
    target = stage.read(asked.project.resolve(), asked.stage)
    if asked.command == "package":
        print(examination.refuse_unsafe(target.root, target.name))
    progress = Progress(sys.stdout, verbose=asked.verbose)
    if asked.command == "package":
        packaged(target, (asked.out or Path("build") / target.name).resolve(), progress)
        return
    aws = Aws(chalice.session())
    place = aws.place
    print(f"{target.app}, stage {target.name}, account {place.account}, {place.region}")
    if asked.command == "disconnect":
        print(f"  {sockets.close_all(aws, target)} sockets closed")
        return
    print("  created" if key.ensure(aws, target) else "  exists already, or is not a parameter of SSM")


def packaged(target: stage.Stage, out: Path, progress: Progress) -> None:
    """Writes template and zip to `out`. Raises DeploymentError."""
    with tempfile.TemporaryDirectory() as folder:
        with progress.step("source") as step:
            exported = source.export(target.root, Path(folder))
            step.note(exported.version)
        with progress.step("package") as step:
            made = package.build(target, exported, out, step.detail)
    with progress.step("cfn-lint") as step:
        lint.check({target.stack: made.template}, step.detail)
    print(f"  {out / package.TEMPLATE}")


def _failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

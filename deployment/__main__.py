"""The command behind `make`: `python -m deployment doctor|tables|deploy|destroy|package|disconnect --stage dev`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from deployment import chalice, commands, guards, lint, package, sockets, source, stage, visit
from deployment.aws import Aws
from deployment.commands import Target
from deployment.doctor import examination, report
from deployment.errors import REPEAT, DeploymentError
from deployment.progress import Progress
from deployment.stacks import SECONDS, Stacks
from deployment.stage import Stage

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "deploy": "deploys or updates a stage: shows each change, and executes them after a yes",
    "destroy": "deletes a stage; its tables and its key as well if --confirm names it",
    "tables": "creates or updates the tables and the signing key alone, for chalice deploy",
    "package": "writes the stage as one CloudFormation template and its zip; asks AWS nothing",
    "disconnect": "closes all open sockets, as after a leaked key; clients that have a valid token come back",
}


def main(arguments: list[str] | None = None, *, seconds: float = SECONDS) -> int:
    """Returns the exit status: 0 done or shown, 1 refused, declined or failed.

    `seconds` is the time between two looks at a stack.
    """
    asked = parser().parse_args(arguments)
    try:
        if asked.command == "doctor":
            return examined(asked)
        return run(asked, seconds)
    except DeploymentError as error:
        return _failed(str(error))
    except (ClientError, BotoCoreError) as error:
        return _failed(f"AWS refused: {str(error).rstrip('.')}. {REPEAT}")
    except KeyboardInterrupt:
        return _failed("\nInterrupted. CloudFormation finishes what it has begun; the same command goes on from there.")


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(prog="python -m deployment", description=__doc__)
    described.add_argument("--project", type=Path, default=ROOT, help="the folder of app.py (this checkout)")
    subcommands = described.add_subparsers(dest="command", required=True)
    parsers = {name: subcommands.add_parser(name, help=does, description=does) for name, does in COMMANDS.items()}
    for one in parsers.values():
        one.add_argument("--stage", required=True, help="a stage of .chalice/config.json, such as dev")
        one.add_argument("--verbose", action="store_true", help="show each resource, and the output of Chalice and pip")
    for name in ("deploy", "destroy"):
        parsers[name].add_argument("--yes", action="store_true", help="ask no question, as in a pipeline")
    parsers["deploy"].add_argument("--plan", action="store_true", help="show the changes and end there")
    parsers["deploy"].add_argument("--version", metavar="COMMIT", help="deploy this kept version instead of the commit")
    parsers["destroy"].add_argument(
        "--confirm", metavar="STAGE", help="the stage again: deletes tables and key as well"
    )
    parsers["package"].add_argument("--out", type=Path, help="the folder to write to (build/STAGE)")
    doctor = subcommands.add_parser(
        "doctor",
        help="checks a stage before it is deployed",
        description="Checks configuration, tables and policies, one line for each check. "
        "Asks AWS nothing without --account.",
        epilog="ok: the rule holds. note: worth knowing. FAILED: no deploy until it is fixed, or accepted with a "
        "reason in .chalice/operations.json. The exit status is 1 if any check failed. Each check has a stable id, "
        "and with --json a page about it.",
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


def run(asked: argparse.Namespace, seconds: float) -> int:
    """Raises DeploymentError, and botocore's errors."""
    described = stage.read(asked.project.resolve(), asked.stage)
    if asked.command in ("deploy", "package"):
        print(examination.refuse_unsafe(described.root, described.name))
    progress = Progress(sys.stdout, verbose=asked.verbose)
    if asked.command == "package":
        return packaged(described, (asked.out or Path("build") / described.name).resolve(), progress)
    aws = Aws(chalice.session())
    print(f"{described.app}, stage {described.name}, account {aws.place.account}, {aws.place.region}")
    target = Target(
        aws=aws,
        stage=described,
        stacks=Stacks(aws, seconds),
        progress=progress,
        show=print,
        coloured=report.is_coloured(sys.stdout, os.environ),
        visit=visit.visit,
    )
    return {"deploy": deployed, "destroy": destroyed, "tables": with_tables, "disconnect": disconnected}[asked.command](
        asked, target
    )


def packaged(described: Stage, out: Path, progress: Progress) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        with progress.step("source") as step:
            exported = source.export(described.root, Path(scratch))
            step.note(exported.version)
        with progress.step("package") as step:
            made = package.build(described, exported, out, step.detail)
    with progress.step("cfn-lint"):
        lint.check({described.stack: made.template}, print)
    print(f"  {out / package.TEMPLATE}\n  {made.code}")
    return 0


def deployed(asked: argparse.Namespace, target: Target) -> int:
    """Ends with 1 after a no, so that a script does not take it for a deploy."""
    agreed = None if asked.plan else _agreement(asked, "Execute these changes?")
    kept = commands.find_kept(target, asked.version) if asked.version else commands.build_and_keep(target)
    urls = commands.deploy(target, kept, agreed, with_tables=not asked.version)
    if urls is None:
        print("Nothing was changed.")
        return 0 if asked.plan else 1
    for name, url in urls.items():
        print(f"  {name:10} {url}")
    return 0


def destroyed(asked: argparse.Namespace, target: Target) -> int:
    name = target.stage.name
    if asked.confirm not in (None, name):
        raise DeploymentError(f"--confirm is {asked.confirm!r}, and the stage is {name!r}: nothing was deleted.")
    if not asked.confirm and not _agreement(asked, f"Delete {name}'s functions, APIs, logs and alarms?")():
        print("Nothing was changed.")
        return 1
    commands.destroy(target, with_data=asked.confirm == name)
    if not asked.confirm:
        print(f"  Tables and signing key stay. To delete them for good: make destroy STAGE={name} CONFIRM={name}")
    return 0


def with_tables(_: argparse.Namespace, target: Target) -> int:
    commands.ensure_tables(target)
    return 0


def disconnected(_: argparse.Namespace, target: Target) -> int:
    guards.refuse_place(target.aws, target.stage)
    print(f"  {sockets.close_all(target.aws, target.stage)} sockets closed")
    return 0


def _agreement(asked: argparse.Namespace, question: str) -> Callable[[], bool]:
    """The answer to a question that is asked later. Raises DeploymentError if there is nobody to ask."""
    if asked.yes:
        return lambda: True
    if not sys.stdin.isatty():
        raise DeploymentError(f"{question} This needs a terminal; a pipeline says yes with OPTIONS=--yes.")
    return lambda: _answer(f"\n{question} [y/N] ").strip().lower() in ("y", "yes")


def _answer(question: str) -> str:
    """The answer on the terminal; empty if the input ends, as by Ctrl-D."""
    try:
        return input(question)
    except EOFError:
        print()
        return ""


def _failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Checks of the project's files: readable, consistent, and not published."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, Final

from deployment.doctor.check import OK, Check, Verdict, failed, note
from deployment.doctor.findings import Findings, Part

CONFIGURATION: Final = "https://aws.github.io/chalice/topics/configfile.html"
POLICIES: Final = "https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html"
SECRETS: Final = "https://cheatsheetseries.owasp.org/cheatsheets/Secrets_Management_Cheat_Sheet.html"


def stage(findings: Findings) -> Verdict:
    return _read(findings.stage_part)


def app(findings: Findings) -> Verdict:
    return _read(findings.plan_part)


def template(findings: Findings) -> Verdict:
    return _read(findings.template_part)


def _read(part: Part[Any]) -> Verdict:
    if part.trouble:
        return failed([part.trouble])
    part.get()
    return OK


def policy_files(findings: Findings) -> Verdict:
    """Checks that each function that Chalice would deploy has its own policy where Chalice looks for it."""
    return failed(_policy_files(findings))


def _policy_files(findings: Findings) -> Iterator[str]:
    planned = {function.name: function for function in findings.plan.functions}
    for function in findings.stage.functions:
        if function.name not in planned:
            yield f"app.py has no function {function.name}: take it out of FUNCTIONS in deployment/stage.py."
    yield from findings.policy_troubles.values()
    for name, one in planned.items():
        rendered = findings.stage.folder / "policies" / findings.name / f"{name}.json"
        if name in findings.policies and one.policy_file not in (None, rendered):
            wanted = rendered.relative_to(findings.stage.folder)
            yield f"{name} has no policy of its own: in .chalice/config.json, set its iam_policy_file to {wanted}."


def local_key(findings: Findings) -> Verdict:
    path = findings.root / ".chalice" / "local.key"
    if path.is_file() and path.stat().st_mode & 0o077:
        return failed([f"{path} may be read by others on this machine: chmod 600 {path}"])
    return OK


HIDDEN: Final = (".chalice/local.key", ".chalice/deployed/x.json")


def ignored(findings: Findings) -> Verdict:
    """Asks git, which also reports a file that was added although it matches .gitignore."""
    git = shutil.which("git")
    if git is None or not any((folder / ".git").exists() for folder in (findings.root, *findings.root.parents)):
        return note("Not a checkout of git, so ignored files cannot be checked.")
    return failed(
        f"git would publish {path.removesuffix('/x.json')}: name it in .gitignore, and git rm --cached what is there."
        for path in HIDDEN
        if not _asks(git, findings, "check-ignore", "--quiet", path)
    )


def _asks(git: str, findings: Findings, *question: str) -> bool:
    asked = [git, "-C", str(findings.root), *question]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0  # noqa: S603 - git itself


CHECKS: Final = (
    Check("stage", "Configuration and operations describe the stage", CONFIGURATION, stage),
    Check("app", "Chalice finds what to deploy in app.py", CONFIGURATION, app),
    Check("template", "The template of the tables can be read", CONFIGURATION, template),
    Check("policy-files", "Each function has a policy file of its own", POLICIES, policy_files),
    Check("local-key", "The key of this checkout is its owner's alone", SECRETS, local_key),
    Check("git-ignore", "Keys and records stay out of git", SECRETS, ignored),
)

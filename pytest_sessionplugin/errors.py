"""What the kit itself refuses, each as a sentence that says what to do. What a peer does is never one of these."""

from __future__ import annotations

import traceback
from collections.abc import Collection
from pathlib import Path


class SessionPluginError(Exception):
    """The kit cannot do what it was asked; the message is the sentence to show."""


class OptionError(SessionPluginError):
    """A setting has a value that it cannot have."""

    def __init__(self, name: str, value: object, source: str, reason: str) -> None:
        super().__init__(f"{name} = {value!r} ({source}): {reason}")
        self.name = name
        self.value = value
        self.source = source


class ProjectError(SessionPluginError):
    """The Chalice project cannot be found or loaded. What its code raised is the cause."""

    def __init__(self, root: Path, reason: str) -> None:
        super().__init__(reason)
        self.root = root


class TemplateError(SessionPluginError):
    """What is said of a table, in the template or beside it, cannot be understood or done."""


class ItemError(SessionPluginError):
    """An item is asked for, or given, in a way that its table does not know."""


class EndpointError(SessionPluginError):
    """What is at an endpoint cannot be read."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"{endpoint} {reason}")
        self.endpoint = endpoint


class NotOnThisTarget(SessionPluginError):
    """The test asks for something that its target cannot give; pytest skips it, with this sentence."""

    def __init__(self, target: str, what: str) -> None:
        super().__init__(
            f"the deployed stage {target} has no {what}; run this test with --sessionplugin-target=inprocess"
        )
        self.target = target
        self.what = what


class PolicyError(SessionPluginError):
    """An IAM policy file that cannot be read, or is none."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class BlockedCall(SessionPluginError, RuntimeError):
    """A call to AWS that nothing emulates. It did not leave the process."""

    def __init__(self, service: str, operation: str, reason: str) -> None:
        super().__init__(f"{service}:{operation} was blocked: {reason}")
        self.service = service
        self.operation = operation


class UnknownName(SessionPluginError, ValueError):
    """Something was named that is not there. The message has the nearest names, and all of them if they are few."""

    def __init__(self, kind: str, name: str, known: Collection[str]) -> None:
        import difflib  # not before somebody has made a mistake

        near = difflib.get_close_matches(name, known, 3)
        guess = f", but {' and '.join(near)}" if near else ""
        rest = f"; there are: {', '.join(known) or 'none'}" if len(known) <= 20 else ""
        super().__init__(f"there is no {kind} {name}{guess}{rest}.")
        self.wrong = name
        self.known = tuple(known)


class UnknownFault(UnknownName, AttributeError):
    """`aws_faults` has no such fault."""


class RaceNotRun(SessionPluginError, AssertionError):
    """Fewer calls came than a race waits for, so nothing raced."""


class GatewayWarning(UserWarning):
    """What the routes of an app are here that they are not on AWS; the message is the sentence to show."""


class AuthorizerNotRun(GatewayWarning):
    """A route has an authorizer of a kind that cannot be run here: what a request says to it passes unverified."""


class NoApiKey(GatewayWarning):
    """A route needs an API key and the project has none: nobody can call it."""


def cause_in_project(error: ProjectError) -> str:
    """The traceback of what the project's code raised, from its own first line on; nothing if it raised nothing."""
    if error.__cause__ is None:
        return ""
    report = traceback.TracebackException.from_exception(error.__cause__)
    own = [number for number, frame in enumerate(report.stack) if Path(frame.filename).is_relative_to(error.root)]
    if not own and not isinstance(error.__cause__, SyntaxError):
        return ""  # raised by us over a file of theirs: the sentence says it all
    report.stack = traceback.StackSummary.from_list(report.stack[own[0] if own else len(report.stack) :])
    return "".join(report.format())

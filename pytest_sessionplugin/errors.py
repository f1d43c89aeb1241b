"""What the kit itself refuses, each as a sentence that says what to do. What a peer does is never one of these."""

from __future__ import annotations

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
    """What the routes of an app are here that they are not on AWS.

    The message is for a test; `fact` is what is true wherever the app runs.
    """

    def __init__(self, fact: str, advice: str = "") -> None:
        super().__init__(f"{fact}{advice}")
        self.fact = fact


class AuthorizerNotRun(GatewayWarning):
    """A route has an authorizer of a kind that cannot be run here: what a request says to it passes unverified."""

    def __init__(self, not_run: str) -> None:
        super().__init__(
            f"authorizers that cannot be run here: {not_run}",
            "; chalice_gateway.http(claims={...}) gives what they would put into the request context. "
            "Where this is known, pytest's filterwarnings takes ignore::pytest_sessionplugin.AuthorizerNotRun.",
        )


class NoApiKey(GatewayWarning):
    """A route needs an API key and the project has none: nobody can call it."""

    def __init__(self, keyed: str) -> None:
        super().__init__(
            f"{keyed} need an API key, and there is none, so that each request to them is answered 403: "
            'name one with api_keys = ["a-key"] in [tool.sessionplugin], and send it as the header x-api-key'
        )

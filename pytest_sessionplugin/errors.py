"""The errors and warnings of the plugin. Each message is a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path


class SessionPluginError(Exception):
    """A request that the plugin cannot fulfil; the message is the sentence to show."""

    __module__ = "pytest_sessionplugin"


class OptionError(SessionPluginError):
    """A setting has an invalid value."""

    def __init__(self, name: str, value: object, source: str, reason: str) -> None:
        super().__init__(f"{name} = {value!r} ({source}): {reason}")
        self.name = name
        self.value = value
        self.source = source


class ProjectError(SessionPluginError):
    """The Chalice project cannot be found or loaded. An exception of its code is the cause."""

    def __init__(self, root: Path, reason: str) -> None:
        super().__init__(reason)
        self.root = root


class TemplateError(SessionPluginError):
    """The description of a table, in a template or beside it, is invalid."""


class ItemError(SessionPluginError):
    """An item, or a request for one, does not fit its table."""


class EndpointError(SessionPluginError):
    """An endpoint gives an unreadable answer."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"{endpoint} {reason}")
        self.endpoint = endpoint


class NotOnThisTarget(SessionPluginError):
    """The test needs something that its target lacks; pytest skips it with this sentence."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, target: str, what: str, kind: str = "deployed stage") -> None:
        super().__init__(f"the {kind} {target} has no {what}; run this test with --sessionplugin-target=inprocess")
        self.target = target
        self.what = what


class PolicyError(SessionPluginError):
    """An IAM policy file is missing or invalid."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class ContractError(SessionPluginError):
    """A contract cannot be read, or does not mean anything."""

    def __init__(self, place: str, reason: str) -> None:
        """`place` is a file, or a file and a JSON Pointer into it."""
        super().__init__(f"{place}: {reason}")
        self.place = place


class BlockedCall(SessionPluginError, RuntimeError):
    """A call to AWS that is not emulated. It did not leave the process."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, service: str, operation: str, reason: str) -> None:
        super().__init__(f"{service}:{operation} was blocked: {reason}")
        self.service = service
        self.operation = operation
        self.reason = reason


class BlockedConnection(BlockedCall):
    """A connection to a host, which was not made."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, host: str, reason: str) -> None:
        SessionPluginError.__init__(self, f"no connection to {host}: {reason}")
        self.service, self.operation, self.reason, self.host = host, "connect", reason, host


class LambdaFault(SessionPluginError):
    """Lambda itself fails a function, outside of its handler. `type` and `sentence` are those of Lambda's report."""

    def __init__(self, type: str, sentence: str, advice: str = "") -> None:
        super().__init__(f"{type}: {sentence}" + (f". {advice}." if advice else ""))
        self.type, self.sentence, self.advice = type, sentence, advice


def nearest(name: str, known: Collection[str]) -> str:
    """The one of the known names that was perhaps meant, whatever its case; empty if none is near."""
    import difflib  # rarely needed

    folded = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(name.casefold(), folded, 1)
    return folded[near[0]] if near else ""


class UnknownName(SessionPluginError, ValueError):
    """An unknown name. The message has the nearest name, and all of them if they are few."""

    def __init__(self, kind: str, name: str, known: Collection[str]) -> None:
        near = nearest(name, known)
        listed = f"there are: {', '.join(known) or 'none'}" if len(known) <= 20 else ""
        sentence = f"there is no {kind} {name}" + (f"; {listed}" if listed and not near else "")
        guess = f"; did you mean {near}?" if near else "."
        super().__init__(f"{sentence}{guess}" + (f" {listed[:1].upper()}{listed[1:]}." if listed and near else ""))
        self.wrong = name
        self.known = tuple(known)


class UnknownArgument(SessionPluginError, TypeError):
    """A keyword that was perhaps meant to be an argument."""

    @classmethod
    def check(cls, called: str, name: str, argument: str, advice: str) -> None:
        """Raises it for a name that resembles the argument."""
        import difflib  # rarely needed

        if difflib.get_close_matches(name, [argument], 1, 0.75):
            raise cls(f"{called}() has no argument {name!r}; did you mean {argument}? {advice}")


class UnknownTable(UnknownName, KeyError):
    """`dynamodb_tables` has no such table. `advice` says how to describe one."""

    def __init__(self, name: str, known: Collection[str], advice: str = "") -> None:
        super().__init__("table", name, known)
        self.advice = "" if known else advice

    def __str__(self) -> str:  # a KeyError would show the sentence in quotes
        return f"{self.args[0]} {self.advice}".rstrip()


class UnknownFault(UnknownName, AttributeError):
    """`aws_faults` has no such fault."""


class RaceNotRun(SessionPluginError, AssertionError):
    """Fewer calls came than a race waits for."""

    __module__ = "pytest_sessionplugin"


class GatewayWarning(UserWarning):
    """A route behaves differently here than on AWS, or is not deployed.

    The message is for a test; `fact` is the part that holds for `serve` as well.
    """

    def __init__(self, fact: str, advice: str = "") -> None:
        super().__init__(f"{fact}{advice}")
        self.fact = fact


class AuthorizerNotRun(GatewayWarning):
    """A route has an authorizer that cannot be run here, so credentials pass unverified."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, not_run: str) -> None:
        super().__init__(
            f"authorizers that cannot be run here: {not_run}",
            "; chalice_gateway.http(claims={...}) gives what they would put into the request context. "
            "Where this is known, pytest's filterwarnings takes ignore::pytest_sessionplugin.AuthorizerNotRun.",
        )


class NoApiKey(GatewayWarning):
    """A route needs an API key and the project has none, so every call is refused."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, keyed: str) -> None:
        super().__init__(
            f"{keyed} need an API key, and there is none, so that each request to them is answered 403: "
            'name one with api_keys = ["a-key"] in [tool.sessionplugin], and send it as the header x-api-key'
        )


class NoAppName(GatewayWarning):
    """config.json has no app_name, and Chalice deploys the app under another name than the one here."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, file: Path, stage: str, name: str) -> None:
        super().__init__(
            f"{file} has no app_name, so `chalice deploy` names the functions None-{stage}, as it does those of each "
            f'project without one: add "app_name": "{name}"'
        )


class AppIgnored(GatewayWarning):
    """app.py has more Chalice objects than the one that Chalice deploys."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, file: str, ignored: Collection[str]) -> None:
        super().__init__(
            f"{file} has Chalice objects besides app, and Chalice deploys app alone: {', '.join(ignored)}",
            "; make a Blueprint of it, or the app of a project of its own.",
        )


class NoHandler(GatewayWarning):
    """Lambda looks for a function where it is not, or where something else is."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, problems: Mapping[str, str]) -> None:
        """`problems` has a sentence for each function."""
        functions = "; ".join(f"{name}: {sentence.rstrip('.')}" for name, sentence in problems.items())
        super().__init__(
            f"functions that Lambda would not run as here, or not at all: {functions}",
            ". Where this is known, pytest's filterwarnings takes ignore::pytest_sessionplugin.NoHandler.",
        )

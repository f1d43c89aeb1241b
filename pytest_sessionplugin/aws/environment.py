"""Environment variables of an app: those that close the way to a real account, Lambda's own, and overrides."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from pytest_sessionplugin.errors import SessionPluginError

REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = SESSION_TOKEN = "testing"  # noqa: S105 - of no real account

_NEUTRAL = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_SESSION_TOKEN": SESSION_TOKEN,
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # Otherwise botocore puts the account into the host name, where emulators do not look for it.
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
}

_UNWANTED = re.compile(
    r"AWS_(DEFAULT_)?PROFILE|AWS_ROLE_.*|AWS_WEB_IDENTITY_.*|AWS_CONTAINER_.*|AWS_ENDPOINT_URL.*"
    r"|AWS_USE_.*_ENDPOINT|AWS_SECURITY_TOKEN|AWS_CREDENTIAL_.*|AWS_ACCOUNT_ID|AWS_MAX_ATTEMPTS|AWS_RETRY_MODE"
    r"|AWS_DEFAULTS_MODE"
)
"""Variables that lead a client elsewhere, or change it, on one machine and not on the next."""

_KINDS = ("table", "token", "stream", "websocket", "rest", "function", "queue", "topic", "bucket")
_PLACEHOLDER = re.compile(rf"\{{({'|'.join(_KINDS)}):([\w.-]+)\}}")
_LIKE_ONE = re.compile(r"\{(\w+):([\w.-]+)\}")


def region_of(*layers: Mapping[str, str]) -> str:
    """The region of the last layer that names one."""
    for layer in reversed(layers):
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            if layer.get(name):
                return layer[name]
    return REGION


def neutral(region: str) -> dict[str, str]:
    """Variables that keep every client from a real account, whatever is set up on the machine."""
    return {**_NEUTRAL, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}


def missed(machine: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """A sentence on what an app that was imported with the machine's variables did not see; empty if it saw all."""
    names = variables.keys() - neutral("").keys() - of_lambda(Path(), "", 0, "").keys()
    unseen = sorted(name for name in names if machine.get(name) != variables[name])
    region, expected = machine.get("AWS_REGION") or machine.get("AWS_DEFAULT_REGION"), variables["AWS_REGION"]
    lacks = [
        *([f"without the values of {', '.join(unseen)}"] if unseen else []),
        *([f"in {region} in place of {expected}"] if region not in (None, expected) else []),
    ]
    if not lacks:
        return ""
    return (
        f"A test file or conftest.py imported app.py before any test had an environment: {' and '.join(lacks)}. "
        "Clients and settings that it made by then stay so. Import it in a test, take the fixture chalice_app, or give "
        "the test a copy with @pytest.mark.chalice(fresh=True)."
    )


def of_lambda(root: Path, function: str, memory: int, handler: str) -> dict[str, str]:
    """The variables that Lambda gives to a function ("Defined runtime environment variables" in the developer guide).

    TZ, LANG and PATH stay the machine's, and no variable names the runtime API or X-Ray's daemon: neither is here.
    """
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream(function),
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": str(root),
        "_HANDLER": handler,
    }


def log_stream(function: str) -> str:
    """A log stream as Lambda names it, the same in each run."""
    return f"2015/01/01/[$LATEST]{function.encode().hex():0<32.32}"


def leads_elsewhere(name: str) -> bool:
    return _UNWANTED.fullmatch(name) is not None


def expand(variables: Mapping[str, str], lookup: Callable[[str, str], str]) -> dict[str, str]:
    """The variables with `lookup`'s values, by kind and name, in place of {table:Name} and other placeholders."""

    def expanded(name: str, value: str) -> str:
        def replace(match: re.Match[str]) -> str:
            try:
                return lookup(match[1], match[2])
            except KeyError as error:
                raise SessionPluginError(f"{name} = {value!r}: {error.args[0]}") from error

        for kind, rest in _LIKE_ONE.findall(value):
            if kind not in _KINDS and (near := difflib.get_close_matches(kind, _KINDS, 1, cutoff=0.8)):
                said = f"there is no {{{kind}:…}}; did you mean {{{near[0]}:{rest}}}?"
                raise SessionPluginError(f"{name} = {value!r}: {said}")
        return _PLACEHOLDER.sub(replace, value)

    return {name: expanded(name, value) for name, value in variables.items()}


def placeholders(variables: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Each placeholder: its variable, its kind and its name."""
    for variable, value in variables.items():
        for kind, name in _PLACEHOLDER.findall(value):
            yield variable, kind, name


def past_proxies(url: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Variables that keep proxies from this host, beside the hosts that they name already."""
    named = variables.get("no_proxy") or variables.get("NO_PROXY") or ""
    hosts = named if named.strip() == "*" else ",".join(filter(None, [named, urlsplit(url).hostname]))
    return {"no_proxy": hosts, "NO_PROXY": hosts}


def told(machine: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """The machine's variables, without those that lead elsewhere, overridden by `variables`."""
    return {**{name: value for name, value in machine.items() if not leads_elsewhere(name)}, **variables}


@contextmanager
def applied(variables: Mapping[str, str]) -> Iterator[None]:
    """os.environ as `told` gives it until the block ends; afterwards exactly as before."""
    before = dict(os.environ)
    put_back(told(before, variables))
    try:
        yield
    finally:
        put_back(before)


def put_back(before: Mapping[str, str]) -> None:
    """Restores os.environ, which stays the same object."""
    for name in set(os.environ) - set(before):
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """Variables that differ afterwards, None if they are gone, without those that lead to another account or place."""
    names = (name for name in {**before, **after} if before.get(name) != after.get(name))
    return {name: after.get(name) for name in names if not leads_elsewhere(name) and name not in _NEUTRAL}


def take_back(told: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Restores each variable that still has the value in `told` and had another one before."""
    for name, value in told.items():
        if before.get(name) != value and os.environ.get(name) == value:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]

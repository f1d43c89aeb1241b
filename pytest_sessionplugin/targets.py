"""What can be behind `chalice_gateway`. The plugin picks one by name; a test is the same on each."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pytest_sessionplugin.aws.environment import on_loopback
from pytest_sessionplugin.gateway.client.transport import Urls
from pytest_sessionplugin.options import DEPLOYED, TARGETS

if TYPE_CHECKING:
    from pytest_sessionplugin.gateway.client.gateway import Gateway
    from pytest_sessionplugin.gateway.runtime import Activity
    from pytest_sessionplugin.gateway.values import Api, RunFunction, Throttles

FORM = "https://…,wss://…"
_PLAIN = {"http": "https", "ws": "wss"}


def why_not(target: str) -> str | None:
    """The reason for which a target cannot be had here, or None."""
    if target == "sockets":
        missing = [name for name in ("h11", "websockets") if find_spec(name) is None]
        if missing:
            return f"real sockets need {' and '.join(missing)}: pip install 'pytest-sessionplugin[sockets]'"
    return None


def gateway(
    target: str, api: Api, functions: RunFunction, activity: Activity | None = None, throttles: Throttles | None = None
) -> Gateway:
    """A running gateway, for the caller to close. `activity`: that of the account."""
    from pytest_sessionplugin.gateway.client.gateway import Gateway
    from pytest_sessionplugin.gateway.values import never

    throttles = throttles or never
    if target == "sockets":
        return Gateway.on_sockets(api, functions, throttles=throttles, activity=activity)
    return Gateway.in_process(api, functions, throttles=throttles, activity=activity)


# --- a mark, and what the run can give


def runnable(marked: tuple[str, ...], *, deployed: bool) -> tuple[str, ...]:
    """Those of a mark's targets that this run has: the deployed stage alone, or all others. None of them: all, and
    each is skipped with its reason.
    """
    here = (DEPLOYED,) if deployed else TARGETS
    return tuple(target for target in marked if target in here) or marked


def why_not_marked(marked: str, configured: str) -> str | None:
    """The reason for which a test that is marked with this target is not run on what was configured, or None."""
    deployed = "://" in configured
    if marked == DEPLOYED and not deployed:
        return f"this test is for a deployed stage: name one with --sessionplugin-target={FORM}"
    if marked != DEPLOYED and deployed:
        return f"this test is not for the deployed stage {configured}: it is marked for {marked}"
    return None


# --- a deployed stage


def urls_of(target: str) -> Urls:
    """The URLs of a deployed stage, HTTP first, WebSocket second; one of them alone will do.

    Raises ValueError with a sentence.
    """
    http = websocket = ""
    for text in target.split(","):
        url = _checked(text.strip())
        is_http = url.startswith("http")
        if websocket or (http and is_http):
            raise ValueError(f"it names one HTTP URL, then one WebSocket URL: {FORM}.")
        http, websocket = (url, "") if is_http else (http, url)
    return Urls(http, websocket)


def _checked(text: str) -> str:
    if re.search(r"[^!-~]", text):
        raise ValueError("a URL is ASCII without spaces; other characters are percent-encoded.")
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if not host or port == 0 or url.scheme not in {*_PLAIN, *_PLAIN.values()}:
        raise ValueError(f"it must be {FORM}.")
    if url.username is not None or "?" in text or "#" in text:
        raise ValueError("a user, a query or a fragment does not belong into it: it is shown in pytest's header.")
    if url.scheme in _PLAIN and not on_loopback(text):
        raise ValueError(f"{host} is not on this machine, so {url.scheme} must be {_PLAIN[url.scheme]}.")
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"


def without_credentials(target: str) -> str:
    """A target that is no good, to be shown: without users and queries."""
    return re.sub(r"[?#][^,]*", "?…", re.sub(r"//[^/]*@", "//…@", target))

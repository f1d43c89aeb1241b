"""Checks of the web pages that may use the service: CORS of the routes, origins of handshakes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from deployment.doctor.check import Note, check
from deployment.doctor.findings import Findings
from deployment.doctor.hosts import host_of, is_loopback
from deployment.gateway_responses import RESPONSES

ORIGIN: Final = "Access-Control-Allow-Origin"
CREDENTIALS: Final = "Access-Control-Allow-Credentials"
HOST: Final = r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])"
OTHER: Final = r"(?!(?:https?|ftp|wss?|file):)[a-z][a-z0-9+.-]*"
SENT: Final = re.compile(rf"(?:http://{HOST}(?!:80$)|https://{HOST}(?!:443$)|{OTHER}://{HOST})(?::\d+)?")
"""An origin as a browser writes it: in lower case, without the scheme's default port or anything after it. Native apps
and extensions have schemes of their own, such as capacitor://localhost."""
NATIVE: Final = "https://localhost"
"""The origin of native apps on Android: https://capacitorjs.com/docs/config"""
SHEET: Final = "https://cheatsheetseries.owasp.org/cheatsheets/WebSocket_Security_Cheat_Sheet.html"


@check("cors", "No answer allows credentials from everywhere", "https://fetch.spec.whatwg.org/#http-cors-protocol")
def cors(findings: Findings) -> Iterator[str]:
    """Browsers refuse a wildcard with credentials; echoing the origin instead would let every page in."""
    prefix = "gatewayresponse.header."
    answered: dict[str, Mapping[str, str]] = dict(findings.plan.cors)
    for one in RESPONSES:
        answered[one.type] = {name.removeprefix(prefix): value.strip("'") for name, value in one.parameters.items()}
    for what, headers in answered.items():
        if headers.get(ORIGIN) == "*" and CREDENTIALS in headers:
            yield f"{what} allows credentials from every origin: take away one or the other."


@check("origins-exact", "Handshakes come from origins that are named in full", SHEET)
def exact(findings: Findings) -> Iterator[str]:
    if not _origins(findings):
        yield Note("No page in a browser can connect; if one should, name its origin in ALLOWED_ORIGINS.")
    for origin in _origins(findings):
        yield from _trouble(origin)


def _trouble(origin: str) -> Iterator[str]:
    if "*" in origin or origin == "null":
        yield f"ALLOWED_ORIGINS has {origin}, which is anybody: name each origin, such as https://app.example.com."
    elif SENT.fullmatch(origin) is None:
        yield f"ALLOWED_ORIGINS has {origin}, which no browser sends: write scheme://host or scheme://host:port."
    elif origin.startswith("http:") and not is_loopback(host_of(origin)):
        yield f"ALLOWED_ORIGINS has {origin}: anyone on the path can change that page; serve it over https."


@check("origins-kept", "No loopback origin in a stage that is kept", SHEET)
def of_a_kept_stage(findings: Findings) -> Iterator[str]:
    for origin in _origins(findings) if findings.stage.kept else ():
        if origin == NATIVE:
            yield Note(f"ALLOWED_ORIGINS has {origin}, for native apps on Android: others can serve a page there, too.")
        elif origin.startswith("http") and is_loopback(host_of(origin)):
            yield f"ALLOWED_ORIGINS has {origin}, a page on anybody's own machine: take it out of a stage that is kept."


def _origins(findings: Findings) -> list[str]:
    texts = {one.environment.get("ALLOWED_ORIGINS", "") for one in findings.plan.functions}
    return sorted({word.strip() for text in texts for word in text.split(",") if word.strip()})

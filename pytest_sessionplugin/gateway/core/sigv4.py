"""Signature version 4 as API Gateway checks it: the signer of a request, or the answer to an unsigned one.

Sources: "Create a signed AWS API request" and "Troubleshoot signed requests for AWS APIs" in the IAM user guide, and
the page on signature mismatches with API Gateway in the AWS Knowledge Center. Answers of real APIs, as users report
them, show the rest: a path is encoded once more as it was sent, and the body is always hashed, so that neither
`UNSIGNED-PAYLOAD` nor `X-Amz-Content-SHA256` changes anything.
A session token is signed with the rest, but not checked itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, unquote_to_bytes

from pytest_sessionplugin.gateway.core.gateway_responses import MISSING_TOKEN, failure, no_method
from pytest_sessionplugin.gateway.values import Api, Grant, Headers, Reply, Request

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "execute-api"
SKEW = timedelta(minutes=5)
LONGEST = 604_800  # seconds for which a presigned URL may be valid

_STAMP = "%Y%m%dT%H%M%SZ"
_DIGITS = re.compile(r"[0-9]{8}T[0-9]{6}Z")  # strptime also takes fewer
_SECONDS = re.compile(r"[0-9]{1,6}")  # no more digits: Python refuses to read thousands of them
_UNRESERVED = "-_.~"


@dataclass(frozen=True)
class Signer:
    """The signer of a request with a valid signature."""

    access_key: str


@dataclass(frozen=True)
class _Signature:
    """The signature that a request claims."""

    access_key: str
    scope: str  # 20260102/us-east-1/execute-api/aws4_request
    stamp: str  # 20260102T030405Z
    headers: tuple[str, ...]  # names, in lower case
    value: str
    expires: int | None = None  # seconds; None for a signature in a header

    @property
    def moment(self) -> datetime:
        return _moment(self.stamp)


def is_signed(request: Request) -> bool:
    """Whether a request has a signature, valid or not."""
    return _presigned(request) or (_first(request.headers, "authorization") or "").startswith(ALGORITHM)


def verify(request: Request, access_keys: Mapping[str, str], region: str, now: float) -> Signer | Reply:
    """The signer, or a 403: missing or incomplete, for another region or service, too old, unknown key, or wrong.

    `access_keys`: id -> secret. `now`: seconds since the epoch.
    """
    try:
        signature = _read(request)
        if signature is None:
            return MISSING_TOKEN
    except _Incomplete as error:
        return failure(403, str(error), "IncompleteSignatureException")
    if wrong := _wrong_scope(signature, region) or _wrong_time(signature, now):
        return failure(403, wrong, "InvalidSignatureException")
    secret = access_keys.get(signature.access_key)
    if secret is None:
        return failure(403, "The security token included in the request is invalid.", "UnrecognizedClientException")
    canonical = _canonical(request, signature)
    hashed = hashlib.sha256(_bytes(canonical)).hexdigest()
    to_sign = "\n".join((ALGORITHM, signature.stamp, signature.scope, hashed))
    if not hmac.compare_digest(_sign(secret, signature.scope, to_sign), _bytes(signature.value)):
        return failure(403, _mismatch(canonical, to_sign), "InvalidSignatureException")
    return Signer(signature.access_key)


# --- reading


class _Incomplete(Exception):
    """A signature lacks something; the message says what."""


def _read(request: Request) -> _Signature | None:
    if _presigned(request):
        pairs = {unquote(name): unquote(value) for name, value in _pairs(request.query)}
        given = {name.removeprefix("X-Amz-"): value for name, value in pairs.items() if name.startswith("X-Amz-")}
        expires = given.get("Expires", "")
        if not _SECONDS.fullmatch(expires) or not 0 < int(expires) <= LONGEST:
            raise _Incomplete(f"X-Amz-Expires must be a number of seconds from 1 to {LONGEST}.")
        return _signature(given, given.get("Date"), "The query string requires", "", int(expires))
    header = _first(request.headers, "authorization")
    if header is None:
        return None
    algorithm, _, rest = header.strip().partition(" ")
    given = {}
    for part in rest.split(",") if rest else ():
        name, equals, value = part.strip().partition("=")
        if not equals:
            raise _Incomplete(
                "Invalid key=value pair (missing equal-sign) in Authorization header "
                f"(hashed with SHA-256 and encoded with Base64): '{_digest(header)}'."
            )
        given[name] = value
    signature = _signature(given, _date(request.headers), "Authorization header requires", header)
    return signature if algorithm == ALGORITHM else None


def _signature(
    given: Mapping[str, str], stamp: str | None, requires: str, header: str, expires: int | None = None
) -> _Signature:
    needed = ("Credential", "Signature", "SignedHeaders")
    lacks = [f"{requires} '{name}' parameter." for name in needed if not given.get(name)]
    if not stamp:
        lacks.append(f"{requires} existence of either a 'X-Amz-Date' or a 'Date' header.")
    if lacks or not stamp:
        if header:  # hashed: it may be a password for something else
            lacks.append(f"(Hashed with SHA-256 and encoded with Base64) Authorization={_digest(header)}")
        raise _Incomplete(" ".join(lacks))
    access_key, _, scope = given["Credential"].partition("/")
    if scope.count("/") != 3 or not scope.endswith("/aws4_request"):
        raise _Incomplete(
            "Credential must have at least 5 elements, as KEY/YYYYMMDD/REGION/SERVICE/aws4_request, "
            f"not {given['Credential']}."
        )
    try:
        _moment(stamp)
    except ValueError:
        raise _Incomplete(f"Date must be in ISO-8601 'basic format'. Got '{stamp}'.") from None
    names = tuple(given["SignedHeaders"].lower().split(";"))
    if "host" not in names:
        raise _Incomplete("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    return _Signature(access_key, scope, stamp, names, given["Signature"], expires)


def _presigned(request: Request) -> bool:
    return any(unquote(name) == "X-Amz-Algorithm" and value == ALGORITHM for name, value in _pairs(request.query))


def _date(headers: Headers) -> str | None:
    if stamp := _first(headers, "x-amz-date"):
        return stamp.strip()
    if (date := _first(headers, "date")) is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).strftime(_STAMP)
    except (ValueError, OverflowError):  # not a date, or not in the calendar
        return date.strip()


def _moment(stamp: str) -> datetime:
    """Raises ValueError."""
    if not _DIGITS.fullmatch(stamp):
        raise ValueError(stamp)
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)


def _pairs(query: str) -> list[tuple[str, str]]:
    """Names and values, raw."""
    found = [pair.partition("=") for pair in query.split("&") if pair]
    return [(name, value) for name, _, value in found]


def _first(headers: Headers, name: str) -> str | None:
    return next((value for each, value in headers if each.lower() == name), None)


# --- judging


def _wrong_scope(signature: _Signature, region: str) -> str:
    day, scoped_region, service, _ = signature.scope.split("/")
    wrong = ""
    if scoped_region != region:
        wrong += f"Credential should be scoped to a valid region, not '{scoped_region}'. "
    if service != SERVICE:
        wrong += f"Credential should be scoped to correct service: '{SERVICE}'. "
    if day != signature.stamp[:8]:
        wrong += (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{day}' != '{signature.stamp[:8]}', from '{signature.stamp}'."
        )
    return wrong


def _wrong_time(signature: _Signature, now: float) -> str:
    moment = signature.moment
    here = datetime.fromtimestamp(now, UTC)
    good_for = SKEW if signature.expires is None else timedelta(seconds=signature.expires)
    if here - moment > good_for:  # not moment + good_for, which may lie beyond the last year
        minutes = good_for.total_seconds() / 60
        return (
            f"Signature expired: {signature.stamp} is now earlier than {here - good_for:{_STAMP}} "
            f"({here:{_STAMP}} - {minutes:g} min.)"
        )
    if moment - here > SKEW:
        return (
            f"Signature not yet current: {signature.stamp} is still later than {here + SKEW:{_STAMP}} "
            f"({here:{_STAMP}} + 5 min.)"
        )
    return ""


def _mismatch(canonical: str, to_sign: str) -> str:
    return (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.\n\n"
        f"The Canonical String for this request should have been\n'{canonical}'\n\n"
        f"The String-to-Sign should have been\n'{to_sign}'\n"
    )


# --- what is signed


def _canonical(request: Request, signature: _Signature) -> str:
    lines = [f"{name}:{_values(request.headers, name)}" for name in signature.headers]
    return "\n".join(
        (
            request.method,
            quote(_without_dots(request.path), safe="/~", errors="replace"),
            _canonical_query(request.query),
            *lines,
            "",
            ";".join(signature.headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _canonical_query(query: str) -> str:
    pairs = [(_encoded(name), _encoded(value)) for name, value in _pairs(query)]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs) if name != "X-Amz-Signature")


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(_bytes(text)), safe=_UNRESERVED)


def _values(headers: Headers, name: str) -> str:
    """All values of a header in their order, without superfluous spaces."""
    return ",".join(" ".join(value.split()) for each, value in headers if each.lower() == name)


def _without_dots(path: str) -> str:
    """Without empty and dot segments (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    slash = "/" if path.endswith("/") and kept else ""
    return "/" + "/".join(kept) + slash


def _digest(header: str) -> str:
    return base64.b64encode(hashlib.sha256(_bytes(header)).digest()).decode()


def _sign(secret: str, scope: str, to_sign: str) -> bytes:
    """The signature, in hexadecimal digits."""
    key = _bytes(f"AWS4{secret}")
    for part in (*scope.split("/"), to_sign):
        key = hmac.new(key, _bytes(part), hashlib.sha256).digest()
    return key.hex().encode()


def _bytes(text: str) -> bytes:
    """UTF-8; characters that cannot be encoded are in no signature, so one replacement does for all."""
    return text.encode(errors="replace")


def judge(request: Request, api: Api, now: float) -> Grant | Reply:
    """IAM's verdict on a request: every key of the account may call every method."""
    signer = verify(request, api.access_keys, api.region, now)
    return signer if isinstance(signer, Reply) else Grant(identity=_identity(signer.access_key, api))


def nowhere(request: Request, route: str, api: Api, now: float) -> Reply:
    """The answer to a request without a method: 404 if it is signed, otherwise 403."""
    verdict = judge(request, api, now)
    return verdict if isinstance(verdict, Reply) else no_method(request.method, route)


def _identity(access_key: str, api: Api) -> dict[str, str]:
    """Each key stands for a user of the same name."""
    return {
        "accessKey": access_key,
        "accountId": api.account_id,
        "caller": access_key,
        "user": access_key,
        "userArn": f"arn:{api.partition}:iam::{api.account_id}:user/{access_key}",
    }

"""Checks of where the token keys come from. The check `environment` covers the rules of the service itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from chalicelib.settings import reference
from deployment.doctor.check import OK, Check, Verdict, failed
from deployment.doctor.findings import Findings
from deployment.doctor.hosts import is_private_name

KEYS: Final = ("JWT_SECRET", "JWT_PUBLIC_KEY")
FORMS: Final = {
    "ssm": re.compile(
        r"(?:arn:aws[\w-]*:ssm:[a-z0-9-]+:\d{12}:parameter)?/?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*", re.ASCII
    ),
    "secretsmanager": re.compile(
        r"arn:aws[\w-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+|[\w/+=.@-]+", re.ASCII
    ),
}
"""Names that the two stores accept:

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
"""


def references(findings: Findings) -> Verdict:
    return failed(
        f"{name} does not refer to a stored key: write ssm:/{findings.stage.app}/{findings.name}/key or "
        "secretsmanager:name, and keep the key there."
        for name, value in _variables(findings)
        if name in KEYS and value and not _is_reference(name, value)
    )


def _is_reference(name: str, value: str) -> bool:
    found = reference(name, value)
    return found is not None and FORMS[found.store].fullmatch(found.name) is not None


def values(findings: Findings) -> Verdict:
    """Everyone who may view the function sees its variables, and everyone with the project sees config.json."""
    return failed(
        f"{name} holds what looks like a key, and the files of the project and the function's page show it: keep it in "
        "SSM or Secrets Manager, refer to it, and make a new one, since this one has been seen."
        for name, value in _variables(findings)
        if name not in KEYS and not _is_reference(name, value) and (_is_named_as_one(name) or _is_one(name, value))
    )


def _is_named_as_one(name: str) -> bool:
    return NAMED.search(name) is not None


def _is_one(name: str, value: str) -> bool:
    """An audience is in every token, and its text is the issuer's choice."""
    return looks_like_a_key(value) if name != "JWT_AUDIENCE" else is_marked_as_a_key(value)


NAMED: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(?:API|PRIVATE|ACCESS)_?KEY)$", re.I
)
"""Names of variables that hold secrets. One that names where a secret is kept ends differently: SECRET_ARN."""
WORD: Final = re.compile(r"[A-Za-z0-9+_=-]{24,}")
PLAIN: Final = re.compile(r"[a-z0-9]{32,}|[A-Z0-9]{32,}")
CLASSES: Final = tuple(re.compile(one) for one in ("[a-z]", "[A-Z]", "[0-9]"))
ACCESS_KEY: Final = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")


MARKED: Final = re.compile(r"\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bxox[abprs]-[\w-]{10,}|\b[sr]k_live_\w{10,}")
"""Prefixes of the tokens of GitHub, Slack and Stripe."""
AWS_SECRET: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9/+])[A-Za-z0-9/+]{40}")
PASSWORD_IN_URL: Final = re.compile(r"://[^/@\s:]*:[^/@\s]+@")
ARN: Final = re.compile(r"arn:aws[\w-]*:[^\s]+")


def looks_like_a_key(value: str) -> bool:
    """A word marked as a key, or too long and mixed for a person to have written. ARNs are names."""
    if is_marked_as_a_key(value):
        return True
    if ARN.fullmatch(value):
        return False
    mixed = (one for one in WORD.findall(value) if all(kind.search(one) for kind in CLASSES))
    plain = (one for one in PLAIN.findall(value) if re.search("[0-9]", one) and re.search("[A-Za-z]", one))
    return any(mixed) or any(plain) or AWS_SECRET.fullmatch(value) is not None


def is_marked_as_a_key(value: str) -> bool:
    """Recognizes a PEM, a key of AWS, a checkout's key, a token with a known prefix, a URL with a password."""
    found = (one.search(value) for one in (ACCESS_KEY, MARKED, PASSWORD_IN_URL))
    return "-----BEGIN" in value or value.startswith("local-") or any(found)


def issuer(findings: Findings) -> Verdict:
    if not findings.stage.kept:
        return OK
    return failed(sentence for name, value in _variables(findings) if name == "JWT_ISSUER" for sentence in _of(value))


def _of(issuer: str) -> Iterator[str]:
    if is_private_name(_host(issuer)):
        yield f"JWT_ISSUER is {issuer}, which anybody may be who tries things out: name the issuer of this stage."
    elif issuer.lower().startswith("http:"):
        yield f"JWT_ISSUER is {issuer}, and anyone on the path can answer in its name: serve it over https."


def _host(value: str) -> str:
    """For a URL or a bare name; an issuer may be either (RFC 7519, 2)."""
    try:
        return urlsplit(value if "//" in value else f"//{value}").hostname or ""
    except ValueError:
        return ""


def key_set(findings: Findings) -> Verdict:
    return failed(
        f"JWT_JWKS_URL is {value}: in Lambda a key set is fetched over https, from elsewhere, without a password."
        for name, value in _variables(findings)
        if name == "JWT_JWKS_URL" and value and not _is_public(value)
    )


def _is_public(url: str) -> bool:
    host = _host(url)
    return bool(host) and not is_private_name(host) and url.startswith("https://") and "@" not in urlsplit(url).netloc


def _variables(findings: Findings) -> Iterator[tuple[str, str]]:
    """Each variable with each distinct value that the functions have for it."""
    every = {pair: None for one in findings.plan.functions for pair in one.environment.items()}
    yield from sorted(every)


JWT: Final = "https://cheatsheetseries.owasp.org/cheatsheets/JSON_Web_Token_for_Java_Cheat_Sheet.html"
CHECKS: Final = (
    Check(
        "key-references",
        "Keys are named where they are kept, not written down",
        "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html",
        references,
    ),
    Check(
        "key-material",
        "No other variable holds a key",
        "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html",
        values,
    ),
    Check("issuer-kept", "A stage that is kept has a real issuer", JWT, issuer),
    Check(
        "key-set-https",
        "A key set is fetched over https",
        "https://www.rfc-editor.org/rfc/rfc8725#section-3.10",
        key_set,
    ),
)

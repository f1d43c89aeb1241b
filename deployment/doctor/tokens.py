"""Checks of where the token keys come from. The check `environment` covers the rules of the service itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from chalicelib.settings import reference
from deployment.doctor.check import check
from deployment.doctor.findings import Findings
from deployment.doctor.hosts import host_of, is_private_name

JWT: Final = "https://cheatsheetseries.owasp.org/cheatsheets/JSON_Web_Token_for_Java_Cheat_Sheet.html"
VARIABLES: Final = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"
KEYS: Final = ("JWT_SECRET", "JWT_PUBLIC_KEY")


@check("key-references", "Secret keys are stored, and only referred to", VARIABLES)
def references(findings: Findings) -> Iterator[str]:
    for name, value in _variables(findings):
        secret = PUBLIC.sub("", value).strip()
        if name in KEYS and secret and reference(name, value) is None:
            yield (
                f"{name} does not refer to a stored key: write ssm:/{findings.stage.app}/{findings.name}/key or "
                "secretsmanager:name, and keep the key there."
            )


@check("key-material", "No other variable holds a key", VARIABLES)
def values(findings: Findings) -> Iterator[str]:
    """Everyone who may view the function sees its variables, and everyone with the project sees config.json."""
    for name, value in _variables(findings):
        if name not in KEYS and reference(name, value) is None and _is_key(name, value):
            yield (
                f"{name} seems to hold a key, which the project and the function's page show: keep it in SSM or "
                "Secrets Manager, refer to it, and replace it, since this one has been seen."
            )


def _is_key(name: str, value: str) -> bool:
    """An audience is in every token, and its text is the issuer's choice."""
    if name == "JWT_AUDIENCE":
        return is_marked_as_a_key(value)
    if SECRET.search(name) or (TOKEN.search(name) and len(value) >= SHORTEST_TOKEN):
        return True
    return not (DIGEST_NAME.search(name) and DIGEST.fullmatch(value)) and looks_like_a_key(value)


SECRET: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIALS?|(?:API|PRIVATE|ACCESS)_?KEY)$", re.I
)
"""Names of variables that hold secrets. A name that says where a secret is kept ends differently: SECRET_ARN."""
TOKEN: Final = re.compile(r"(?:^|_)TOKEN$", re.I)
SHORTEST_TOKEN: Final = 6  # characters; a shorter one is a version or a page
DIGEST_NAME: Final = re.compile(r"(?:^|_)(?:SHA\d*|COMMIT|REVISION|VERSION|BUILD|RELEASE|DIGEST|HASH)$", re.I)
DIGEST: Final = re.compile(r"(?:sha\d+:)?[0-9a-f]{7,64}")
PUBLIC: Final = re.compile(r"-----BEGIN ((?:[A-Z]+ )?PUBLIC KEY|CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)
DSN: Final = re.compile(r"https://[0-9a-f]{32}@[\w.-]+/\d+")
"""Sentry's address for events, which is safe to publish: https://docs.sentry.io/concepts/key-terms/dsn-explainer/"""
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
    """A word marked as a key, or too long and mixed for a person to have written. ARNs and DSNs are names."""
    if is_marked_as_a_key(value):
        return True
    if ARN.fullmatch(value) or DSN.fullmatch(value):
        return False
    text = PUBLIC.sub("", value)
    mixed = (one for one in WORD.findall(text) if all(kind.search(one) for kind in CLASSES))
    plain = (one for one in PLAIN.findall(text) if re.search("[0-9]", one) and re.search("[A-Za-z]", one))
    return any(mixed) or any(plain) or AWS_SECRET.fullmatch(text) is not None


def is_marked_as_a_key(value: str) -> bool:
    """Recognizes a private PEM, a key of AWS or of a checkout, a token with a known prefix, a URL with a password."""
    text = PUBLIC.sub("", value)
    found = (one.search(text) for one in (ACCESS_KEY, MARKED, PASSWORD_IN_URL))
    return "-----BEGIN" in text or text.startswith("local-") or any(found)


@check("issuer-kept", "A stage that is kept has a real issuer", JWT)
def issuer(findings: Findings) -> Iterator[str]:
    for name, value in _variables(findings) if findings.stage.kept else ():
        if name == "JWT_ISSUER" and is_private_name(host_of(value)):
            yield f"JWT_ISSUER is {value}, a name for trying things out: name the issuer of this stage."
        elif name == "JWT_ISSUER" and value.lower().startswith("http:"):
            yield f"JWT_ISSUER is {value}, and anyone on the path can answer for it: serve it over https."


@check("key-set-https", "A key set is fetched over https", "https://www.rfc-editor.org/rfc/rfc8725#section-3.10")
def key_set(findings: Findings) -> Iterator[str]:
    for name, value in _variables(findings):
        if name == "JWT_JWKS_URL" and value and not _is_public(value):
            yield f"JWT_JWKS_URL is {value}: name an https URL that Lambda can reach, without a password."


def _is_public(url: str) -> bool:
    host = host_of(url)
    return bool(host) and not is_private_name(host) and url.startswith("https://") and "@" not in urlsplit(url).netloc


def _variables(findings: Findings) -> Iterator[tuple[str, str]]:
    """Each variable with each distinct value that the functions have for it."""
    every = {pair: None for one in findings.plan.functions for pair in one.environment.items()}
    yield from sorted(every)

"""A test's HTTP request: the bytes and headers that keyword arguments in the style of httpx become."""

from __future__ import annotations

import hashlib
import json as json_module
import mimetypes
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlencode

from pytest_sessionplugin.gateway.core.integration import is_sendable
from pytest_sessionplugin.gateway.redaction import redacted, redacted_header, redacted_headers
from pytest_sessionplugin.gateway.values import Headers

# pytest would print tokens, which are arguments of most functions here; the test's own line says more
__tracebackhide__ = True

USER_AGENT = "pytest-sessionplugin"

Scalar = str | int | float | bool | None
"""A field's value: booleans are sent as true and false, None as an empty text."""

Fields = Mapping[str, Scalar | Sequence[Scalar]] | Sequence[tuple[str, Scalar]]
"""The fields of a query or a form. A name is repeated by a sequence of values, or by pairs."""

HeaderFields = Mapping[str, str] | Sequence[tuple[str, str]]
"""Headers by name; pairs may repeat a name."""

FileContent = str | bytes | IO[bytes]

File = FileContent | tuple[str | None, FileContent] | tuple[str | None, FileContent, str]
"""A file's content, or its name and content, or its name, content and media type."""

Files = Mapping[str, File] | Sequence[tuple[str, File]]


class HeaderMap(Mapping[str, str]):
    """Header values by name, in any spelling; several values of one name are joined by ", "."""

    def __init__(self, pairs: Headers) -> None:
        self._pairs = pairs
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def get_list(self, name: str) -> list[str]:
        """All values of a header, in order; empty without it."""
        return list(self._values.get(name.lower(), ()))

    def multi_items(self) -> list[tuple[str, str]]:
        """All pairs in their original order and spelling."""
        return list(self._pairs)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"HeaderMap({redacted_headers(self._pairs)!r})"


@dataclass(frozen=True, repr=False)
class SentRequest:
    """A request as it was sent. `target` is the path and the query."""

    method: str
    url: str
    target: str
    headers: HeaderMap
    content: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {redacted(self.target)}"

    def __repr__(self) -> str:
        return f"<SentRequest {self}>"


@dataclass(frozen=True)
class Body:
    content: bytes = b""
    media_type: str | None = None  # of the Content-Type that belongs to it


# --- the target


def target(path: str, params: Fields | None) -> str:
    """Path and query as sent; percent-encoded parts stay."""
    if not path.startswith("/"):
        raise ValueError(f"a path begins with '/', {path!r} does not")
    if isinstance(params, (str, bytes)):
        raise TypeError("params= takes names and values; a query that is a text stands in the path, behind '?'")
    wire = quote(path, safe="/?%:@!$&'()*+,;=~-._")
    if not params:
        return wire
    return f"{wire}{'&' if '?' in wire else '?'}{urlencode(_texts(params))}"


def _texts(fields: Fields) -> list[tuple[str, str]]:
    found = []
    for name, value in fields.items() if isinstance(fields, Mapping) else fields:
        several = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        for each in value if several else (value,):  # type: ignore[union-attr]
            found.append((name, _text(name, each)))
    return found


def _text(name: str, value: Any) -> str:
    if isinstance(value, (bytes, Mapping)):
        raise TypeError(f"the field {name!r} takes text, a number or a boolean, not {type(value).__name__}")
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- the headers


def pairs(headers: HeaderFields | None) -> Headers:
    if isinstance(headers, HeaderMap):
        return tuple(headers.multi_items())
    found = tuple(headers.items() if isinstance(headers, Mapping) else headers or ())
    if odd := [pair for pair in found if isinstance(pair, str) or len(pair) != 2]:
        raise TypeError(f"headers= takes a mapping or pairs, as {{'X-Name': 'text'}}, and {odd[0]!r} is not a pair")
    return found


def override(defaults: Headers, headers: Headers) -> Headers:
    """The headers, behind the defaults of other names."""
    given = {name.lower() for name, _ in headers}
    return (*(pair for pair in defaults if pair[0].lower() not in given), *headers)


def refuse_second(headers: Headers, makers: Mapping[str, str]) -> None:
    """Raises ValueError for a header that an argument makes: `makers` has the argument, or "", for each header."""
    given = {name.lower() for name, _ in headers}
    for name, argument in makers.items():
        if argument and name.lower() in given:
            raise ValueError(
                f"header {name!r} cannot be given beside {argument}=, which makes it; leave one of them out"
            )


def bearer(token: Any) -> str:
    """The value of an Authorization header. Raises TypeError or ValueError."""
    if not isinstance(token, str):
        raise TypeError(f"token= takes text, not {type(token).__name__}")
    if token[:7].lower() == "bearer ":
        raise ValueError("token= begins with 'Bearer ', which the client adds itself: give the token alone")
    return f"Bearer {token}"


def cookie(cookies: Mapping[str, str]) -> str:
    """The value of a Cookie header. Raises ValueError for a cookie that would be read as another one."""
    for name, value in cookies.items():
        if not is_sendable(name, value) or ";" in value:
            raise ValueError(f"cookie {name!r} cannot be sent: its name is not a token, or its value has a ';' in it")
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def with_defaults(headers: Headers, token: str | None, defaults: Mapping[str, str], body: bytes = b"") -> Headers:
    """The headers behind a client's defaults, without those that frame the body, which the client adds.

    Raises TypeError or ValueError for a token or a header that cannot be sent.
    """
    usual = {"User-Agent": USER_AGENT, **defaults}
    if token is not None:
        usual["Authorization"] = bearer(token)
    checked = []
    for name, value in override(tuple(usual.items()), headers):  # a comprehension would be a frame of its own
        if not _frames(name, value, body):
            checked.append((name, _checked(name, value)))
    return tuple(checked)


def _frames(name: str, value: str, body: bytes) -> bool:
    """Whether the client sends this header itself. Raises ValueError if its value contradicts the client's."""
    if name.lower() == "transfer-encoding":
        raise ValueError(
            f"header {name!r} cannot be sent: the client sends each body whole, with its length; leave it out"
        )
    if name.lower() != "content-length":
        return False
    if value.strip() != str(len(body)):
        raise ValueError(f"header {name!r} cannot be {value!r}: the body has {len(body)} bytes; leave the header out")
    return True


def _checked(name: str, value: Any) -> str:
    """The value as it arrives. Raises TypeError or ValueError if the header cannot be sent."""
    if not isinstance(value, str):
        raise TypeError(f"header {name!r} takes text, not {type(value).__name__}; several values are given as pairs")
    if not is_sendable(name, value) or not _is_latin_1(value):
        raise ValueError(f"header {name!r} cannot have the value {redacted_header(name, value)!r}")
    return value.strip()


def _is_latin_1(value: str) -> bool:
    return all(character <= "\xff" for character in value)


# --- the body


def body(content: str | bytes | None, data: Any, files: Files | None, json: Any) -> Body:
    """Raises TypeError for more than one body, and for an argument of another one's kind."""
    given = {"json": json, "content": content, "data": data, "files": files}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1 and names != ["data", "files"]:
        raise TypeError(f"a request takes {' or '.join(names)}, not both")
    if json is not None:
        return Body(_json(json), "application/json")
    if isinstance(data, (str, bytes)):
        raise TypeError(f"data= takes the fields of a form; content= sends {type(data).__name__} as it is")
    if files is not None:
        return _multipart(_texts(data or {}), files)
    if data is not None:
        return Body(urlencode(_texts(data)).encode(), "application/x-www-form-urlencoded")
    return Body(_bytes("content=", content))


def _json(value: Any) -> bytes:
    try:
        return json_module.dumps(value).encode()
    except (TypeError, ValueError) as error:
        raise TypeError(f"json= takes what json.dumps takes: {error}") from None


def _bytes(where: str, content: Any) -> bytes:
    if hasattr(content, "read"):
        content = content.read()
    if not isinstance(content, (str, bytes, bytearray, memoryview, type(None))):
        raise TypeError(f"{where} takes str or bytes, not {type(content).__name__}; json= sends JSON, data= a form")
    return content.encode() if isinstance(content, str) else bytes(content or b"")


_Part = tuple[str, str | None, bytes]
"""Content-Disposition, Content-Type and content."""


def _multipart(fields: list[tuple[str, str]], files: Files) -> Body:
    """RFC 7578. The boundary depends on the parts alone, so that a test sends the same bytes each time."""
    parts = [_part(name, None, None, value) for name, value in fields]
    parts += [_file(name, each) for name, each in (files.items() if isinstance(files, Mapping) else files)]
    boundary = hashlib.sha256(repr(parts).encode()).hexdigest()[:32].encode()
    written = b""
    for disposition, media_type, content in parts:
        written += b"--" + boundary + b"\r\nContent-Disposition: " + disposition.encode()
        if media_type is not None:
            written += b"\r\nContent-Type: " + media_type.encode()
        written += b"\r\n\r\n" + content + b"\r\n"
    return Body(written + b"--" + boundary + b"--\r\n", f"multipart/form-data; boundary={boundary.decode()}")


def _file(name: str, file: File) -> _Part:
    if not isinstance(file, tuple):
        file = posixpath.basename(str(getattr(file, "name", "upload"))), file
    filename, content, *media_types = file
    guessed = filename and (mimetypes.guess_type(filename)[0] or "application/octet-stream")
    return _part(name, filename, media_types[0] if media_types else guessed, content)


def _part(name: str, filename: str | None, media_type: str | None, content: FileContent) -> _Part:
    disposition = f'form-data; name="{_escaped(name)}"'
    if filename is not None:
        disposition += f'; filename="{_escaped(filename)}"'
    return disposition, media_type, _bytes(f"files= {name!r}", content)


def _escaped(name: str) -> str:
    """As browsers do (HTML, "Multipart form data")."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")

"""What comes in and what goes out, independent of any web framework."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from sandbox import jsontext
from sandbox.errors import SalesforceError, malformed_json

JSON_TYPE = "application/json;charset=UTF-8"
MAX_BODY = 150 * 1024 * 1024


@dataclass(slots=True)
class Request:
    """One HTTP request. ``path`` is as sent (percent-encoded, without the query); header names are in lower case."""

    method: str
    path: str
    query_text: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    origin: str = "http://127.0.0.1"
    #: the JSON of a Composite subrequest, which was never a text of its own
    parsed: Any = None

    @classmethod
    def to(
        cls, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"", origin: str = ""
    ) -> Request:
        """A request for a path, perhaps with a query."""
        path, _, query_text = url.partition("?")
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        return cls(method.upper(), path or "/", query_text, lowered, body, origin)

    @property
    def segments(self) -> list[str]:
        """The decoded parts of the path; slashes at the end do not count."""
        return [unquote(part) for part in self.path.strip("/").split("/")]

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; the last of a repeated one."""
        return dict(parse_qsl(self.query_text, keep_blank_values=True))

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def content(self) -> bytes:
        """The body, unpacked if it was sent compressed."""
        encoding = self.headers.get("content-encoding", "").lower()
        if encoding not in ("gzip", "deflate"):
            return self.body
        try:
            return gzip.decompress(self.body) if encoding == "gzip" else zlib.decompress(self.body)
        except (OSError, EOFError, zlib.error) as error:
            raise SalesforceError(400, "UNKNOWN_EXCEPTION", "The request body could not be decompressed.") from error

    def form(self) -> dict[str, str]:
        """The fields of an urlencoded form."""
        text = self.content().decode("utf-8", "replace")
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=5000))
        except ValueError as error:
            raise SalesforceError(400, "INVALID_INPUT", f"The form could not be read: {error}") from error

    def json(self) -> Any:
        """The JSON in the body; JSON_PARSER_ERROR if there is none that can be read."""
        if self.parsed is not None:
            return self.parsed
        content = self.content()
        if not content.strip():
            raise malformed_json("No content to map to Object due to end of input")
        try:
            return jsontext.loads(content)
        except (ValueError, RecursionError) as error:
            raise malformed_json(f"Unexpected character or end of input: {error}") from error

    def json_object(self) -> dict[str, Any]:
        """The JSON object in the body."""
        value = self.json()
        if not isinstance(value, dict):
            raise malformed_json("The request body must be a JSON object")
        return value


@dataclass(slots=True)
class Response:
    """One HTTP answer. ``stream`` is sent after ``body`` piece by piece; ``truncated`` cuts the answer in half.

    ``rows_failed``: some rows of a collection failed, of which the status says nothing. ``invalid_utf8``: a byte that
    no UTF-8 has stands in its first text.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream: Iterable[bytes] | None = None
    value: Any = None
    truncated: bool = False
    rows_failed: bool = False
    invalid_utf8: bool = False

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """A JSON answer. The text is made when it is sent: inside Composite only the value is wanted."""
        return cls(status, b"", {"Content-Type": JSON_TYPE, **(headers or {})}, None, _Json(value))

    @classmethod
    def empty(cls, status: int = 204, headers: dict[str, str] | None = None) -> Response:
        """An answer without a body."""
        return cls(status, b"", dict(headers or {}))

    @classmethod
    def text(cls, text: str, content_type: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """An answer of text."""
        return cls(status, text.encode("utf-8", "replace"), {"Content-Type": content_type, **(headers or {})})

    @classmethod
    def refusal(cls, error: SalesforceError) -> Response:
        """The answer to a single call that was refused."""
        return cls.json([error.as_item()], error.status)

    @property
    def content(self) -> Any:
        """The JSON value of the answer; None if it has none."""
        return self.value.value if isinstance(self.value, _Json) else None

    def replace_content(self, change: Callable[[Any], Any]) -> None:
        """Another JSON value in place of that of the answer, if it has one."""
        if isinstance(self.value, _Json):
            self.value = _Json(change(self.value.value))

    def rendered(self) -> bytes:
        """The body as bytes."""
        body = jsontext.dumps(self.value.value) if isinstance(self.value, _Json) else self.body
        return body.replace(b':"', b':"\xff', 1) if self.invalid_utf8 else body


@dataclass(frozen=True, slots=True)
class _Json:
    value: Any


def boolean(text: str | None, default: bool = False) -> bool:
    """A boolean query parameter: true or false in any case."""
    return default if text is None else text.strip().lower() == "true"

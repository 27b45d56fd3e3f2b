"""Reads a page as a browser does: which values its form would send, and what it says."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

Data = dict[str, Any]


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.data: Data = {}
        self.text: list[str] = []
        self._select: tuple[str, bool, list[str]] | None = None
        self._option: str | None = None
        self._area: str | None = None
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag in ("script", "style"):
            self._silent += 1
        if tag == "form" and a.get("id", "").endswith(("_form", "changelist-form")):
            self.inside = True
        if not self.inside or "disabled" in a or (not a.get("name") and tag != "option"):
            return
        if tag == "input" and a.get("type") not in ("submit", "button"):
            if a.get("type") in ("checkbox", "radio") and "checked" not in a:
                return
            self.data[a["name"]] = a.get("value", "on" if a.get("type") in ("checkbox", "radio") else "")
        elif tag == "select":
            self._select = (a["name"], "multiple" in a, [])
        elif tag == "option" and self._select is not None:
            if "selected" in a:
                self._select[2].append(a.get("value", ""))
            elif not self._select[1]:
                self._option = self._option if self._option is not None else a.get("value", "")
        elif tag == "textarea":
            self._area = a["name"]
            self.data[self._area] = ""

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.data[self._area] += data
        elif not self._silent and data.strip():
            self.text.append(data.strip())

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent -= 1
        if tag == "form":
            self.inside = False
        if tag == "textarea" and self._area is not None:
            # A browser drops the line end after the tag, and sends CRLF for every other.
            text = self.data[self._area].replace("\r\n", "\n").removeprefix("\n")
            self.data[self._area] = text.replace("\n", "\r\n")
            self._area = None
        if tag == "select" and self._select is not None:
            name, multiple, chosen = self._select
            if multiple:
                self.data[name] = chosen
            else:
                self.data[name] = chosen[-1] if chosen else self._option or ""
            self._select = self._option = None


def form_data(response: Any) -> Data:
    """What the page's form sends when nobody touches anything."""
    assert response.status_code == 200, response
    parser = _Form()
    parser.feed(response.content.decode())
    assert parser.data, "the page has no form"
    return parser.data


def words(response: Any) -> str:
    """What the page says, as one line."""
    parser = _Form()
    parser.feed(response.content.decode())
    return " ".join(" ".join(parser.text).split())

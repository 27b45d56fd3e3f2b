"""HTML of the page: escaping, the frame, the look."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from importlib import resources
from typing import Any


@lru_cache(maxsize=1)
def _style() -> str:
    return resources.files("sandbox").joinpath("page", "style.css").read_text("utf-8")


def text(value: Any) -> str:
    """A value as escaped text."""
    return "" if value is None else escape(str(value), quote=True)


def frame(title: str, current: str, body: str, now: str) -> str:
    """A whole page around ``body``."""
    tabs = "".join(
        f'<a href="/{path}"{" aria-current=page" if current == name else ""}>{label}</a>'
        for name, path, label in (
            ("Lead", "leads", "Leads"),
            ("Contact", "contacts", "Contacts"),
            ("Try", "try", "Try"),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width,initial-scale=1">'
        f"<title>{text(title)} · Salesforce sandbox</title><style>{_style()}</style></head><body><a "
        'class="skip" href="#main">Skip to content</a>'
        '<header><div class="in"><a class="title" href="/">Local Salesforce sandbox</a><nav '
        f'aria-label="Pages">{tabs}</nav>'
        '<span class="note">Not the real Salesforce. You work here as sales@example.com. Its time: '
        f"{text(now)}</span></div></header>"
        f'<main id="main">{body}</main></body></html>'
    )


def alert(message: str, *, good: bool = False) -> str:
    """A message above the form."""
    role = "status" if good else "alert"
    return f'<div class="alert{" good" if good else ""}" role="{role}">{text(message)}</div>'

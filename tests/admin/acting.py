"""What tests of the actions share: selecting in the list, and the organisation's other side."""

from __future__ import annotations

import re
from typing import Any

import requests
from django.test import Client

from syncer.models import Person

LIST = "/admin/syncer/person/"


def select(client: Client, action: str, *persons: Person, follow: bool = True) -> Any:
    """Choose an action for persons of the list."""
    ids = [person.pk for person in persons]
    return client.post(LIST, {"action": action, "_selected_action": ids}, follow=follow)


def control(organisation: dict[str, str], method: str, path: str, **body: Any) -> Any:
    """Change the organisation from outside, as its administrator or a salesperson does."""
    answer = requests.request(method, f"{organisation['url']}/sandbox/{path}", json=body or None, timeout=10)
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


def choices_of(response: Any, name: str) -> dict[str, str]:
    """The entries of a select on the page: label → value."""
    page = response.content.decode()
    select = re.search(rf'<select name="{name}".*?</select>', page, re.DOTALL)
    assert select, f"no {name} on the page"
    found = re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)</option>', select[0])
    return {label: value for value, label in found}

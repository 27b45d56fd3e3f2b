"""Persons as they are named on a command line."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError

from syncer.models import Person
from syncer.sync.errors import CannotSync
from syncer.sync.outcomes import Code


def person_ids(given: Sequence[str]) -> list[int]:
    """Persons by number or UUID. Raises CannotSync for one that is unknown; then nothing is done for any of them."""
    found = []
    for text in given:
        key = "pk" if text.isdigit() and len(text) < 19 else "uuid"
        try:
            person = Person.objects.filter(**{key: text}).values_list("pk", flat=True).first()
        except (ValueError, ValidationError):  # neither a number nor a UUID
            person = None
        if person is None:
            raise CannotSync(f"There is no person {text!r}. Nothing was done.", Code.NO_SUCH_PERSON)
        found.append(person)
    return found

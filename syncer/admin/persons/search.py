"""Where a search for persons goes, so that an index answers it: e-mail address, Salesforce id, or name and company."""

from __future__ import annotations

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Lower

from syncer.models import FormerId, Person
from syncer.salesforce.ids import to_18

HELP = "Name, company, a whole e-mail address, or a Salesforce id (15 or 18 characters)."


def search(persons: QuerySet[Person], term: str) -> QuerySet[Person]:
    """The persons that the term finds.

    1. With an @: exactly that e-mail address, in any case.
    2. A Salesforce id that somebody has or had.
    3. Otherwise every word must be in the first name, last name or company.
    """
    term = term.strip()
    if not term:
        return persons
    if "@" in term:
        return persons.alias(_email=Lower("email")).filter(_email=Lower(Value(term)))
    by_id = _by_salesforce_id(persons, term)
    if by_id is not None:
        return by_id
    for word in term.split():
        persons = persons.filter(
            Q(first_name__icontains=word) | Q(last_name__icontains=word) | Q(company__icontains=word)
        )
    return persons


def _by_salesforce_id(persons: QuerySet[Person], term: str) -> QuerySet[Person] | None:
    """None when the term is no id, or nobody's: many a name has fifteen letters."""
    try:
        record_id = to_18(term)
    except ValueError:
        return None
    former = list(FormerId.objects.filter(record_id=record_id).values_list("person_id", flat=True))
    found = persons.filter(Q(sfdc_id=record_id) | Q(pk__in=former))
    return found if found.exists() else None

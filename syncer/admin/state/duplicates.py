"""Possible duplicates: persons who share an e-mail address, in any case of its letters."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from syncer.admin.ui.paginator import MOST
from syncer.away import kept
from syncer.models import Person
from syncer.sync.identity.candidates import address_forms

#: Others shown on a person's page.
SHOWN = 10
#: How long the list of shared addresses is kept, in seconds. Finding them reads the whole index of addresses; a page
#: of the list only looks at these.
FRESH = 60
_KEY = "syncer-shared-addresses"


def others(person: Person) -> list[Person]:
    """Up to SHOWN + 1 other persons with this person's address."""
    address = person.email.strip().lower()
    if not address:
        return []
    found = _by_address([address]).exclude(pk=person.pk).select_related("pending", "record")
    return list(found.order_by("pk")[: SHOWN + 1])


def shared_among(persons: Iterable[Person]) -> set[str]:
    """Of these persons' addresses, those that more than one person has. One query by the index."""
    addresses = {person.email.strip().lower() for person in persons} - {""}
    if not addresses:
        return set()
    rows = Person.objects.annotate(address=Lower("email")).filter(address__in=addresses).order_by()
    shared = rows.values("address").annotate(n=Count("pk")).filter(n__gt=1)
    return set(shared.values_list("address", flat=True))


def possible(persons: QuerySet[Person]) -> QuerySet[Person]:
    """Those of ``persons`` who share their address with somebody now."""
    twin = Person.objects.alias(address=Lower("email")).filter(~Q(pk=OuterRef("pk")), address=OuterRef("own_address"))
    return persons.alias(own_address=Lower("email")).filter(
        Exists(twin), pk__in=_by_address(_shared_addresses()).values("pk")
    )


def _by_address(addresses: Iterable[str]) -> QuerySet[Person]:
    forms = {form for address in addresses for form in address_forms(address)}
    return Person.objects.annotate(address=Lower("email")).filter(address__in=forms)


def _shared_addresses() -> list[str]:
    """Addresses of more than one person, as many as the pages of a list can show."""

    def find() -> list[str]:
        rows = Person.objects.annotate(address=Lower("email")).filter(address__gt="").order_by()
        shared = rows.values("address").annotate(n=Count("pk")).filter(n__gt=1).order_by("address")
        return list(shared.values_list("address", flat=True)[:MOST])

    return kept(_KEY, FRESH, find)

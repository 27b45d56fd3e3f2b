"""Realistic records, the same for the same seed. Names come from Faker; a million leads take minutes, not hours.

Faker makes pools of names, companies and places; records draw from the pools, which is a hundred times faster than
asking Faker for each.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from faker import Faker

from sandbox import ids
from sandbox.clock import wire_datetime
from sandbox.colleagues import Owners, settle
from sandbox.org import Org
from sandbox.schema.sobject import SObject
from sandbox.store.database import quote
from sandbox.users import SALES_USER, SYNC_USER

_POOL = 1500
_MANY = 20_000
_LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES")
_COUNTRIES = {
    "en_US": "United States",
    "en_GB": "United Kingdom",
    "de_DE": "Germany",
    "fr_FR": "France",
    "es_ES": "Spain",
}
_REGIONS = {
    "United States": "North America",
    "United Kingdom": "EMEA",
    "Germany": "EMEA",
    "France": "EMEA",
    "Spain": "EMEA",
}
_ACCENTS = str.maketrans("äöüßàâáéèêëíîïóôúùûñçœæÄÖÜÀÂÁÉÈÊÍÎÓÔÚÙÛÑÇ", "aousaaaeeeeiiioouuuncoaAOUAAAEEEIIOOUUUNC")


@dataclass(frozen=True, slots=True)
class _Place:
    street: str
    city: str
    state: str | None
    postal_code: str
    country: str


class _People:
    """Draws persons from pools."""

    def __init__(self, seed: int, now: datetime, owners: Owners) -> None:
        self._owners = owners
        self.random = random.Random(seed)
        self._now = now
        fakers = {locale: Faker(locale) for locale in _LOCALES}
        for index, faker in enumerate(fakers.values()):
            faker.seed_instance(seed * 31 + index)
        each = _POOL // len(_LOCALES)
        self._names = {
            locale: ([f.first_name() for _ in range(each)], [f.last_name() for _ in range(each)])
            for locale, f in fakers.items()
        }
        self._companies = [faker.company() for faker in fakers.values() for _ in range(each)]
        self._titles = [fakers["en_US"].job()[:128] for _ in range(each)]
        self._sentences = [fakers["en_US"].sentence(nb_words=12) for _ in range(each)]
        self._places = {locale: [_place(f, locale) for _ in range(each)] for locale, f in fakers.items()}

    def choice(self, values: list[Any]) -> Any:
        """One of the values."""
        return values[int(self.random.random() * len(values))]

    def maybe(self, chance: float, value: Any) -> Any:
        """The value, or nothing."""
        return value if self.random.random() < chance else None

    def owner(self, number: int) -> str:
        """The user who owns the record of this number."""
        return self._owners.users[number % len(self._owners.users)]

    def queue(self, number: int) -> str:
        """The queue that owns the lead of this number."""
        return self._owners.queues[number % len(self._owners.queues)]

    def person(self, number: int) -> dict[str, Any]:
        """The fields that leads and contacts share; ``place`` is still to be spread over the address fields."""
        locale = _LOCALES[min(len(_LOCALES) - 1, int(abs(self.random.gauss(0, 1.4))))]
        first, last = self.choice(self._names[locale][0]), self.choice(self._names[locale][1])
        company = self.choice(self._companies)
        place = self.choice(self._places[locale])
        domain = (
            "".join(letter for letter in company.translate(_ACCENTS).lower() if letter.isascii() and letter.isalnum())[
                :24
            ]
            or "company"
        )
        address = "".join(
            part
            for part in f"{first}.{last}".translate(_ACCENTS).lower()
            if part.isascii() and (part.isalnum() or part == ".")
        )
        created = self._now - timedelta(seconds=int(self.random.random() * 365 * 86400))
        # several records a second, as after an import: ties are common
        modified = created + (self._now - created) * self.random.random() ** 2
        modified = modified.replace(second=modified.second // 20 * 20)
        return {
            "FirstName": first,
            "LastName": last,
            "Name": f"{first} {last}",
            "Salutation": self.maybe(0.4, self.choice(["Mr.", "Ms.", "Mrs.", "Dr.", "Prof."])),
            "Title": self.maybe(0.8, self.choice(self._titles)),
            "Email": self.maybe(0.95, f"{address.strip('.')[:36]}{number}@{domain}.example"),
            "Phone": self.maybe(0.7, self._phone()),
            "MobilePhone": self.maybe(0.4, self._phone()),
            "LeadSource": self.maybe(
                0.8, self.choice(["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"])
            ),
            "Description": self.maybe(0.3, self.choice(self._sentences)),
            "HasOptedOutOfEmail": int(self.random.random() < 0.05),
            "DoNotCall": int(self.random.random() < 0.03),
            "OwnerId": self.owner(number),
            "CreatedDate": wire_datetime(created),
            "LastModifiedDate": wire_datetime(max(created, modified)),
            "SystemModstamp": wire_datetime(max(created, modified)),
            "Lead_Score__c": self.maybe(0.7, int(self.random.random() * 100)),
            "Newsletter__c": int(self.random.random() < 0.4),
            "Interests__c": self.maybe(0.4, self._interests()),
            "Renewal_Date__c": self.maybe(
                0.3, (self._now + timedelta(days=int(self.random.random() * 700))).date().isoformat()
            ),
            "Last_Visit__c": self.maybe(
                0.5, wire_datetime(self._now - timedelta(minutes=int(self.random.random() * 400_000)))
            ),
            "Budget__c": self.maybe(0.4, int(self.random.random() * 200) * 25_000),
            "Discount__c": self.maybe(0.2, int(self.random.random() * 40) * 50),
            "Notes__c": self.maybe(0.1, self.choice(self._sentences)),
            "Region__c": self.maybe(0.8, _REGIONS[place.country]),
            "company": company,
            "domain": domain,
            "place": place,
        }

    def _phone(self) -> str:
        return f"+1 (555) {int(self.random.random() * 900) + 100}-{int(self.random.random() * 9000) + 1000}"

    def _interests(self) -> str:
        topics = [
            "Analytics",
            "Automation",
            "Data Quality",
            "Events",
            "Integration",
            "Reporting",
            "Security",
            "Training",
        ]
        chosen = set(self.random.sample(topics, self.random.randint(1, 3)))
        return ";".join(topic for topic in topics if topic in chosen)


def _place(faker: Faker, locale: str) -> _Place:
    state = faker.state() if locale == "en_US" else None
    return _Place(faker.street_address(), faker.city()[:40], state, faker.postcode(), _COUNTRIES[locale])


def _address(prefix: str, place: _Place) -> dict[str, Any]:
    return {
        f"{prefix}Street": place.street,
        f"{prefix}City": place.city,
        f"{prefix}State": place.state,
        f"{prefix}PostalCode": place.postal_code,
        f"{prefix}Country": place.country,
    }


def _leads(people: _People, count: int, first_number: int) -> Iterator[dict[str, Any]]:
    statuses = ["Open - Not Contacted", "Working - Contacted", "Closed - Not Converted"]
    industries = ["Technology", "Banking", "Healthcare", "Manufacturing", "Retail", "Education", "Energy", "Consulting"]
    for index in range(count):
        number = first_number + index
        person = people.person(number)
        yield (
            person
            | _address("", person["place"])
            | {
                "Id": ids.make("00Q", number),
                "Company": person["company"],
                "Website": people.maybe(0.5, f"https://www.{person['domain']}.example"),
                "Status": people.choice(statuses),
                "Industry": people.maybe(0.7, people.choice(industries)),
                "Rating": people.maybe(0.5, people.choice(["Hot", "Warm", "Cold"])),
                "AnnualRevenue": people.maybe(0.5, int(people.random.random() * 500) * 100_000),
                "NumberOfEmployees": people.maybe(0.6, int(people.random.random() * 5000) + 1),
                "OwnerId": people.queue(number) if people.random.random() < 0.1 else person["OwnerId"],
                "IsUnreadByOwner": int(people.random.random() < 0.3),
            }
        )


def _accounts(people: _People, count: int, first_number: int) -> Iterator[dict[str, Any]]:
    for index in range(count):
        person = people.person(first_number + index)
        yield _address("Billing", person["place"]) | {
            "Id": ids.make("001", first_number + index),
            "Name": person["company"],
            "Website": f"https://www.{person['domain']}.example",
            "Industry": people.choice(["Technology", "Banking", "Healthcare", "Manufacturing", "Retail"]),
            "OwnerId": person["OwnerId"],
            "CreatedDate": person["CreatedDate"],
            "LastModifiedDate": person["LastModifiedDate"],
            "SystemModstamp": person["SystemModstamp"],
        }


def _contacts(people: _People, count: int, first_number: int, accounts: list[str]) -> Iterator[dict[str, Any]]:
    for index in range(count):
        person = people.person(5_000_000 + first_number + index)
        yield (
            person
            | _address("Mailing", person["place"])
            | {
                "Id": ids.make("003", first_number + index),
                "AccountId": people.choice(accounts) if accounts and people.random.random() < 0.9 else None,
                "Department": people.maybe(0.5, people.choice(["Marketing", "Sales", "Finance", "IT", "Operations"])),
                "Birthdate": people.maybe(
                    0.2, f"{1950 + int(people.random.random() * 50)}-{1 + int(people.random.random() * 12):02d}-15"
                ),
            }
        )


def _store(org: Org, item: SObject, rows: Iterator[dict[str, Any]], count: int) -> None:
    """Insert rows with the values that every record has."""
    fields = [field for field in item.fields.values() if field.stored]
    defaults = {field.name: field.value_default() for field in fields}
    has_photo = item.has("PhotoUrl")
    columns = ", ".join(quote(field.name) for field in fields)
    names = [field.name for field in fields]

    def values() -> Iterator[tuple[Any, ...]]:
        for row in rows:
            whole = {**defaults, "CreatedById": SYNC_USER, "LastModifiedById": SALES_USER, **row}
            if has_photo:
                whole["PhotoUrl"] = f"/services/images/photo/{row['Id']}"
            yield tuple(whole[name] for name in names)

    sql = f"INSERT INTO {quote(item.name)} ({columns}) VALUES ({', '.join('?' * len(fields))})"
    with org.database.unindexed(item) if count > _MANY else nullcontext():
        org.database.connection.executemany(sql, values())


def seed(org: Org, leads: int, contacts: int, number: int) -> None:
    """Make so many leads and contacts (and accounts for the contacts), and colleagues who own them."""
    if not leads and not contacts:
        return
    with org.lock, org.database.atomic():
        people = _People(number, org.clock.now().replace(microsecond=0), settle(org))
        accounts = (contacts + 3) // 4
        first = {
            prefix: org.database.next_number(prefix, count)
            for prefix, count in (("001", accounts), ("003", contacts), ("00Q", leads))
            if count
        }
        objects = org.catalog.objects
        if contacts:
            _store(org, objects["Account"], _accounts(people, accounts, first["001"]), accounts)
            account_ids = [ids.make("001", first["001"] + index) for index in range(accounts)]
            _store(org, objects["Contact"], _contacts(people, contacts, first["003"], account_ids), contacts)
        if leads:
            _store(org, objects["Lead"], _leads(people, leads, first["00Q"]), leads)

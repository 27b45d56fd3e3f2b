"""Somebody who is logged in, a connection with described fields, and persons."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from syncer.models import Person, SalesforceRecord, SyncUser
from syncer.salesforce.describe import FieldDescribe, ObjectDescribe, PicklistValue, by_name
from syncer.salesforce.ids import to_18
from syncer.sync.pull.describes import store_describes

ROOT = Path(__file__).parents[2]
ORGANISATION = to_18("00D000000000001")


def described(name: str, label: str, kind: str, **more: Any) -> FieldDescribe:
    return FieldDescribe(name, label, kind, **{"createable": True, "updateable": True} | more)


def picklist(*values: str) -> tuple[PicklistValue, ...]:
    return tuple(PicklistValue(value, value, False, True) for value in values)


LEAD_FIELDS = [
    described("Email", "Email", "email", length=80),
    described("FirstName", "First Name", "string", length=40),
    described("LastName", "Last Name", "string", length=80),
    described("Company", "Company", "string", length=255),
    described("Title", "Title", "string", length=128),
    described("Street", "Street", "textarea", length=255),
    described("Rating", "Rating", "picklist", picklist=picklist("Hot", "Warm", "Cold")),
    described("HasOptedOutOfEmail", "Email Opt Out", "boolean"),
    described("Region__c", "Region", "picklist", custom=True, picklist=picklist("EMEA", "AMER")),
    described("Interests__c", "Interests", "multipicklist", custom=True, picklist=picklist("Forms", "Mobile", "Sync")),
    described("Renewal__c", "Renewal date", "date", custom=True),
    described("Last_Demo__c", "Last demo", "datetime", custom=True),
    described("Budget__c", "Budget", "currency", custom=True, precision=16, scale=2),
    described("VIP__c", "VIP", "boolean", custom=True),
    described("Notes__c", "Notes", "textarea", custom=True, length=4000),
    described(
        "Grade__c", "Grade", "string", custom=True, length=5, calculated=True, createable=False, updateable=False
    ),
]


@pytest.fixture
def sync_user(db: None) -> SyncUser:
    connection = SyncUser(
        name="Production",
        method="client-credentials",
        login_url="https://acme.my.salesforce.com",
        instance_url="https://acme.my.salesforce.com",
        organisation_id=ORGANISATION,
        organisation_name="Acme Corp",
    )
    connection.set_secrets({"client_id": "the-client-id", "client_secret": "the-client-secret"})
    connection.save()
    now = ObjectDescribe("Lead", "Lead", "00Q", True, True, True, True, by_name(LEAD_FIELDS))
    store_describes(connection, [now], timezone.now())
    return connection


@pytest.fixture(scope="module")
def organisation() -> Iterator[dict[str, str]]:
    """The organisation as a process of its own; gives where it listens and how to sign in."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--leads", "0", "--contacts", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.kill()  # it holds nothing that must be kept


def connected(organisation: dict[str, str]) -> SyncUser:
    """A stored connection with it, not used yet."""
    connection = SyncUser(name="Sandbox", method="client-credentials", login_url=organisation["url"])
    connection.set_secrets({name: organisation[name] for name in ("client_id", "client_secret")})
    connection.save()
    return connection


@pytest.fixture
def person(sync_user: SyncUser) -> Person:
    """A lead that is in step with Salesforce, with a value of every kind."""
    return in_salesforce(
        Person.objects.create(
            first_name="Anna",
            last_name="Berg",
            email="Anna.Berg@example.com",
            company="Acme",
            title="Buyer",
            street="Kouter 1\r\n9000 Gent",
            rating="Lukewarm",
            custom={
                "Region__c": "APAC",
                "Interests__c": "Forms;Sync",
                "Renewal__c": "2027-03-01",
                "Last_Demo__c": "2026-11-03T09:30:00Z",
                "Budget__c": "1250.00",
                "Grade__c": "B",
            },
        )
    )


def in_salesforce(person: Person, record_id: str = "00Q000000000077", sobject: str = "Lead") -> Person:
    """Link the person as a sync would have."""
    person.sfdc_type, person.sfdc_id = sobject, to_18(record_id)
    person.save()
    now = timezone.now()
    SalesforceRecord.objects.create(
        person=person,
        organisation=ORGANISATION,
        object=sobject,
        record_id=person.sfdc_id,
        owner_name="Kim Ode",
        received_at=now - timedelta(hours=1),
        agreed_at=now - timedelta(minutes=2),
    )
    return person


@pytest.fixture
def admin(db: None) -> Client:
    return logged_in(User.objects.create_superuser("eva", password="correct horse battery"))


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """Makes somebody who may log in and has exactly these permissions (``"view_person"``)."""

    def make(*codenames: str) -> Client:
        user = User.objects.create_user(f"staff-{len(codenames)}-{User.objects.count()}", is_staff=True)
        permissions = list(Permission.objects.filter(content_type__app_label="syncer", codename__in=codenames))
        assert len(permissions) == len(codenames)
        user.user_permissions.set(permissions)
        return logged_in(user)

    return make


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client

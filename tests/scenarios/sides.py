"""The words of the stories: what somebody does in Salesforce, and what somebody does here."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db.models import F
from django.db.models.signals import post_save
from simple_salesforce.api import Salesforce

from sandbox.users import SALES_USERNAME, SYNC_USERNAME
from syncer.models import ActivityLogEntry, PendingChange, Person, SyncLease, SyncRun, moments
from tests.support.salesforce import Sandbox, Time


class Clock(Time):
    """Everybody's time, of this process's clock, too, while it is shown."""

    shown: time_machine.Traveller | None = None

    def pass_(self, seconds: float) -> None:
        super().pass_(seconds)
        if self.shown is not None:
            self.shown.move_to(self.now)


class SalesforceSide(Sandbox):
    """The organisation behind its HTTP server; Sally works there, and an administrator sets it up."""

    def leads(self, number: int, **values: Any) -> list[str]:
        """So many new leads at once, up to 200."""
        rows = [
            {"attributes": {"type": "Lead"}, "LastName": f"Ode {n}", "Company": "Acme", **values} for n in range(number)
        ]
        body = json.dumps({"allOrNone": True, "records": rows})
        made: Any = self.sales.restful("composite/sobjects", method="POST", data=body)
        return [str(row["id"]) for row in made]

    def delete(self, *record_ids: str) -> None:
        self.time.pass_(1)
        for record_id in record_ids:
            getattr(self.sales, "Lead" if record_id.startswith("00Q") else "Contact").delete(record_id)

    def undelete(self, record_id: str) -> None:
        self.time.pass_(1)
        self.control("POST", "undelete", id=record_id)

    def merge(self, winner: str, *losers: str) -> None:
        self.time.pass_(1)
        name = "Lead" if winner.startswith("00Q") else "Contact"
        self.control("POST", "merge", object=name, winner=winner, losers=list(losers))

    def share(self, record_id: str, *, visible: bool) -> None:
        self.control("POST", "sharing", id=record_id, visible=visible)

    def access(self, field: str, level: str, sobject: str = "Lead") -> None:
        """``hidden``, ``read`` or ``edit``."""
        self.time.pass_(5)
        self.control("POST", "access", username=SYNC_USERNAME, object=sobject, field=field, access=level)

    def field(self, name: str, kind: str, *, sobject: str = "Lead", **more: Any) -> None:
        self.time.pass_(5)
        self.control("POST", "fields", object=sobject, name=name, type=kind, **more)

    def remove_field(self, name: str, sobject: str = "Lead") -> None:
        self.time.pass_(5)
        self.control("DELETE", "fields", object=sobject, name=name)

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.control("DELETE", "faults")

    @contextmanager
    def stopped_before_the_answer(self, route: str) -> Iterator[None]:
        """Somebody ends the process while Salesforce has done what it was asked for and not answered yet."""
        self.fault(route, "delay_ms", seconds=10)
        fault = self.org.faults.planned[-1]
        main = threading.main_thread().ident or 0

        def stop() -> None:
            while not fault.hits:
                threading.Event().wait(0.005)
            with self.org.lock:  # the work is done before the delay
                signal.pthread_kill(main, signal.SIGUSR1)

        before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
        threading.Thread(target=stop, daemon=True).start()
        try:
            with pytest.raises(KeyboardInterrupt):
                yield
        finally:
            signal.signal(signal.SIGUSR1, before)
        self.calm()

    def as_the_sync_user(self) -> Salesforce:
        """What runs in Salesforce in the sync user's name."""
        return self._client(SYNC_USERNAME)

    def user(self, username: str) -> str:
        """The id of a user."""
        [found] = self.sales.query(f"SELECT Id FROM User WHERE Username = '{username}'")["records"]  # noqa: S608
        return str(found["Id"])

    def queue(self) -> str:
        """The id of the queue that leads can go to."""
        [found] = self.sales.query("SELECT Id FROM Group WHERE Type = 'Queue'")["records"]
        return str(found["Id"])

    def campaign(self, name: str, *statuses: str) -> str:
        """A new campaign with these member statuses: the first one is its default, the last one counts as responded."""
        told = [{"label": s, "default": s == statuses[0], "responded": s == statuses[-1]} for s in statuses]
        return str(self.control("POST", "campaigns", name=name, statuses=told)["id"])

    def members(self) -> dict[str, str]:
        """Who is in a campaign, with which status: record id → status."""
        rows = self.sales.query("SELECT LeadId, ContactId, Status FROM CampaignMember")["records"]
        return {row["ContactId"] or row["LeadId"]: row["Status"] for row in rows}

    def rename_account(self, account: str, name: str) -> None:
        self.time.pass_(1)
        self._sales_object("Account").update(account, {"Name": name})

    def rename_user(self, username: str, last_name: str) -> None:
        self.time.pass_(1)
        self.control("POST", "users", username=username, last_name=last_name)

    @property
    def sally(self) -> str:
        return self.user(SALES_USERNAME)

    def requests(self) -> dict[str, int]:
        found: dict[str, int] = self.control("GET", "requests")["requests"]
        return found

    def sign_ins(self) -> int:
        return self.requests().get("POST /services/oauth2/token", 0)

    def refresh(self) -> str:
        """The sandbox is made anew from production: the same records in another organisation; gives its id."""
        made = str(self.control("POST", "refresh")["id"])
        self.sales = self._client(SALES_USERNAME)
        return made

    def behind_its_back(self, record_id: str, **values: Any) -> None:
        """Values change without a new SystemModstamp, as some of Salesforce's own jobs do it."""
        with self.org.lock, self.org.database.atomic():
            self.org.database.update("Lead" if record_id.startswith("00Q") else "Contact", record_id, values)


class HereSide:
    """This database, as the people who work with it see it."""

    def __init__(self, time: Time) -> None:
        self.time = time

    def add(self, **values: Any) -> Person:
        """A new person, with what Salesforce requires unless told otherwise."""
        return Person.objects.create(**{"last_name": "Ode", "company": "Acme"} | values)

    def person(self, record_id: str) -> Person:
        """Who is this record's person now."""
        return Person.objects.get(sfdc_id=record_id)

    def again(self, person: Person) -> Person:
        """The person as it is now."""
        return Person.objects.get(pk=person.pk)

    def edit(self, person: Person, **values: Any) -> None:
        """Somebody opens the person, changes this and saves; custom fields by their own names."""
        opened = Person.objects.get(pk=person.pk)
        for name, value in values.items():
            if name.endswith("__c"):
                opened.custom[name] = value
            else:
                setattr(opened, name, value)
        opened.save()

    def names(self) -> set[str]:
        return set(Person.objects.values_list("last_name", flat=True))

    def log(self, person: Person, kind: str = "") -> list[ActivityLogEntry]:
        """The person's activity log, of one type if wanted."""
        found = ActivityLogEntry.objects.filter(person_id=person.pk).order_by("id")
        return list(found.filter(type=kind) if kind else found)

    def waits(self, person: Person) -> str:
        """Whether something of the person waits to be sent: "pending", "failed", or nothing."""
        return PendingChange.objects.filter(person=person).values_list("state", flat=True).first() or ""

    def let_the_lease_run_out(self) -> None:
        """As if nobody had renewed it for as long as it lasts."""
        SyncLease.objects.update(expires_at=F("expires_at") - moments.LEASE - timedelta(seconds=1))


@contextmanager
def meanwhile(phase: str, something: Callable[[], Any]) -> Iterator[None]:
    """When a run reaches this phase, somebody does something, once."""
    waiting = [something]

    def reached(instance: SyncRun, **_: Any) -> None:
        if instance.phase == phase and waiting:
            waiting.pop()()

    post_save.connect(reached, sender=SyncRun, weak=False)
    try:
        yield
    finally:
        post_save.disconnect(reached, sender=SyncRun)
    assert not waiting, f"no run has reached {phase}"


@dataclass(frozen=True)
class Printed:
    """What a command left on the terminal, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        [line] = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

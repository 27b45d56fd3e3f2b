"""What becomes of records and persons in a history: converted, merged, deleted, purged, brought back, renamed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from syncer.models import FieldMapping, Person, SalesforceRecord
from tests.simulation.fields import NEW
from tests.simulation.people import People


class Life:
    def __init__(self, people: People) -> None:
        self.people = people
        self.world = people.world
        self.chance = people.chance
        self.journal = people.journal

    # -- there ----------------------------------------------------------------------------------------------------

    def convert(self) -> None:
        with self.people.spared():
            leads, contacts = self.people.live("Lead"), self.people.live("Contact")
            if not leads:
                return
            lead = self.chance.choice(leads)
            if contacts and self.chance.random() < 0.35:
                contact = self.chance.choice(contacts)
                self.world.sandbox.convert(lead, contact=contact)
                self._join(lead, contact)
                self.journal.tell(f"there: {lead} converted to existing {contact}", lead, contact)
            else:
                with self.world.aside():
                    if not SalesforceRecord.objects.filter(record_id=lead).exists():
                        self.journal.never_received.add(lead)
                contact = self.world.sandbox.convert(lead)
                self.journal.continued[contact] = lead
                if lead in self.journal.unseen:
                    self._join(lead, contact)  # two persons to us, until the lead is seen again
                if lead in self.journal.deleted_here:
                    self._join(lead, contact)  # nobody here is the lead any more
                self.people.records.append(contact)
                self.journal.tell(f"there: {lead} converted to new {contact}", lead, contact)
            self.world.show_time()

    def merge(self) -> None:
        with self.people.spared():
            sobject = self.chance.choice(("Lead", "Contact"))
            ids = self.people.live(sobject)
            if len(ids) < 2:
                return
            winner, *losers = self.chance.sample(ids, 2)
            self.world.sandbox.control("POST", "merge", object=sobject, winner=winner, losers=losers)
            self._join(losers[0], winner)
            self.journal.tell(f"there: {losers[0]} merged into {winner}", winner, *losers)

    def _join(self, gone: str, survivor: str) -> None:
        """What was entered for the one that is gone, before, may give way to the survivor's values."""
        with self.world.aside():
            persons = SalesforceRecord.objects.filter(record_id__in=[gone, survivor])
            self.journal.join(self.people.number, gone, survivor, *persons.values_list("person_id", flat=True))

    def delete(self) -> None:
        with self.people.spared():
            if ids := self.people.live():
                record_id = self.chance.choice(ids)
                getattr(self.world.sandbox.sales, "Lead" if record_id.startswith("00Q") else "Contact").delete(
                    record_id
                )
                self.journal.tell(f"there: {record_id} deleted", record_id)

    def _deleted(self) -> list[str]:
        gone = []
        for name in ("Lead", "Contact"):
            text = f"SELECT Id FROM {name} WHERE IsDeleted = true AND MasterRecordId = null ORDER BY Id"  # noqa: S608
            gone += [r["Id"] for r in self.world.sandbox.sales.query_all(text, include_deleted=True)["records"]]
        return gone

    def undelete(self) -> None:
        with self.people.spared():
            if gone := self._deleted():
                record_id = self.chance.choice(gone)
                self.world.sandbox.control("POST", "undelete", id=record_id)
                self.journal.tell(f"there: {record_id} undeleted", record_id)

    def purge(self) -> None:
        """A deleted record leaves the recycle bin, perhaps before anybody here has seen that it was deleted."""
        with self.people.spared():
            if gone := self._deleted():
                record_id = self.chance.choice(gone)
                self.world.sandbox.control("POST", "purge", id=record_id)
                self.journal.purged.add(record_id)
                self.journal.tell(f"there: {record_id} purged", record_id)

    def new_field(self) -> None:
        if NEW in self.people.fields or self.journal.retyped:
            return
        for sobject in ("Lead", "Contact"):
            self.world.sandbox.control("POST", "fields", object=sobject, name=NEW.lead, type="string", length=80)
        self.people.fields.append(NEW)
        self.journal.restricted.add(NEW.name)  # nothing was agreed on it at first
        self.journal.tell("there: the new field New__c")

    def retype_field(self) -> None:
        """Its mapping is suspended: nobody says any more what becomes of its values, and nothing else may suffer."""
        with self.world.aside():
            known = FieldMapping.objects.filter(salesforce_field=NEW.lead).count() == 2
        if NEW not in self.people.fields or not known:
            return  # what is a date from the first look on is none whose type changed
        for sobject in ("Lead", "Contact"):
            self.world.sandbox.control("POST", "fields", object=sobject, name=NEW.lead, type="date")
        self.people.fields.remove(NEW)
        self.journal.retyped = True
        self.journal.tell("there: New__c is a date now")

    def rename_account(self) -> None:
        """The company of its contacts; no stamp of theirs moves."""
        with self.people.spared():
            account = self.chance.choice(self.people.accounts())
            name = f"Account {self.people.next()}"
            accounts: Any = self.world.sandbox.sales.Account
            accounts.update(account, {"Name": name})
            self.journal.tell(f"there: {account} is now {name}")

    # -- here -----------------------------------------------------------------------------------------------------

    def delete_here(self) -> None:
        """The record stays, and makes no new person until it changes."""
        with self.world.aside():
            persons = list(Person.objects.order_by("pk"))
            if not persons:
                return
            person = self.chance.choice(persons)
            gone = person.pk
            link = SalesforceRecord.objects.filter(person=person).first()
            if self.chance.random() < 0.5:
                person.delete()
            else:
                Person.objects.filter(pk=gone).delete()
            record_id = link.record_id if link else ""
            if record_id:
                self.journal.join(self.people.number, record_id)
                row = self.people.row(record_id)
                stamp = datetime.fromisoformat(row["SystemModstamp"]) if row else None
                self.journal.deleted_here[record_id] = self.people.number, stamp
            self.journal.tell(f"here {gone} deleted, was {record_id or 'nowhere'}", gone, record_id)

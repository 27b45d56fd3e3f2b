"""What people do on both sides: each edit is entered in the journal with the value that it took the place of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from simple_salesforce.exceptions import SalesforceError

from syncer.models import Person, SalesforceRecord
from syncer.salesforce import soql
from tests.simulation.fields import BY_NAME, FIELDS, Field
from tests.simulation.journal import Edit
from tests.simulation.world import World
from tests.support.salesforce import AS_A_PERSON

WAYS = ("save", "update", "bulk_update", "sql", "form")


class People:
    """One person here and one in Salesforce, who never see the same value twice."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.chance = world.chance
        self.journal = world.journal
        self.fields = list(FIELDS)
        self.forms: list[Person] = []  # opened here, not saved yet
        self.records: list[str] = []  # every record that was ever made there
        self.number = 0

    # -- here -----------------------------------------------------------------------------------------------------

    def edit_here(self) -> None:
        with self.world.aside():
            ids = list(Person.objects.order_by("pk").values_list("pk", flat=True))
            if not ids:
                return
            way = self.chance.choice(WAYS)
            if way == "form":
                if not self.forms or self.chance.random() < 0.4:
                    self.forms.append(Person.objects.get(pk=self.chance.choice(ids)))
                    return
                form = self.forms.pop(self.chance.randrange(len(self.forms)))
                if form.pk not in ids:
                    return  # it was merged with another one meanwhile
                person = form
            else:
                person = Person.objects.get(pk=self.chance.choice(ids))
            values = self._draw("here", self.fields)
            before = Person.objects.get(pk=person.pk)
            self._write(person, values, way)
            after = Person.objects.get(pk=person.pk)
            self._enter("here", person.pk, vars(before), vars(after), values, f"{way}: ")

    def _write(self, person: Person, values: dict[Field, Any], way: str) -> None:
        columns = {f.name: v for f, v in values.items() if not f.custom}
        custom = {f.name: v for f, v in values.items() if f.custom}
        if way == "sql":
            with connection.cursor() as cursor:
                for name, value in columns.items():
                    cursor.execute(f"UPDATE syncer_person SET {name} = %s WHERE id = %s", [value, person.pk])  # noqa: S608
                if custom:
                    patch = json.dumps(custom)
                    cursor.execute(
                        "UPDATE syncer_person SET custom = json_patch(custom, %s) WHERE id = %s", [patch, person.pk]
                    )
            return
        whole = {**person.custom, **custom}
        if way == "update":
            Person.objects.filter(pk=person.pk).update(**columns, **({"custom": whole} if custom else {}))
            return
        for name, value in columns.items():
            setattr(person, name, value)
        if custom:
            person.custom = whole
        if way == "bulk_update":
            Person.objects.bulk_update([person], [*columns, *(["custom"] if custom else [])])
        else:
            person.save()

    def create_here(self) -> int:
        """A person who is not in Salesforce, with a last name that nobody else has."""
        with self.world.aside():
            number = self.next()
            values = self._draw("here", self.fields, few=False)
            person = Person(last_name=f"Here {number}", company="Acme")
            if self.chance.random() < 0.6:
                person.email = f"here{number}@example.com"
            person.custom = {}
            for field, value in values.items():
                if field.custom:
                    person.custom[field.name] = value
                else:
                    setattr(person, field.name, value)
            person.save()
            self.journal.made[person.pk] = person.last_name
            self._enter("here", person.pk, None, vars(Person.objects.get(pk=person.pk)), values, "new: ")
            return person.pk

    # -- there ----------------------------------------------------------------------------------------------------

    @contextmanager
    def spared(self) -> Iterator[None]:
        """Planned faults are for the application. What Salesforce refuses to a salesperson did not happen."""
        faults = self.world.sandbox.org.faults
        planned, faults.planned = faults.planned, []
        try:
            yield
        except (SalesforceError, AssertionError) as error:
            self.journal.tell(f"there: refused, {' '.join(str(error).split())[:90]}")
        finally:
            faults.planned = planned

    def late(self) -> None:
        """A save whose transaction takes long: it is seen later than its stamp says."""
        seconds = self.chance.choice((20, 100, 400))
        self.world.sandbox.fault("/sobjects/", "late_commit", seconds=seconds)
        self.journal.faults += 1
        self.journal.coverage["late_commit", self.world.phase or "between cycles"] += 1
        self.journal.tell(f"there: the next save is seen {seconds} s late")

    def live(self, sobject: str = "") -> list[str]:
        """Records that are neither deleted nor converted, as Salesforce's own people see them."""
        found = []
        for name in (sobject,) if sobject else ("Lead", "Contact"):
            where = " WHERE IsConverted = false" if name == "Lead" else ""
            rows = self.world.sandbox.sales.query_all(f"SELECT Id FROM {name}{where} ORDER BY Id")  # noqa: S608
            found += [row["Id"] for row in rows["records"]]
        return found

    def row(self, record_id: str) -> dict[str, Any] | None:
        """A record as Salesforce has it, also one that is in the recycle bin; None for one that has left it."""
        name = "Lead" if record_id.startswith("00Q") else "Contact"
        names = {*(f.there(record_id) for f in self.fields), "Id", "SystemModstamp"} - {""}
        text = soql.select(sorted(names), name, soql.equals("Id", record_id))
        rows: list[Any] = []
        with self.spared():
            rows = self.world.sandbox.sales.query_all(text, include_deleted=True)["records"]
        return dict(rows[0]) if rows else None

    def accounts(self) -> list[str]:
        """The accounts that contacts belong to; two at least."""
        sales: Any = self.world.sandbox.sales
        found = [row["Id"] for row in sales.query_all("SELECT Id FROM Account ORDER BY Id")["records"]]
        while len(found) < 2:
            found.append(sales.Account.create({"Name": f"Account {self.next()}"})["id"])
        return found

    def edit_there(self) -> None:
        with self.spared():
            ids = self.live()
            if not ids:
                return
            record_id = self.chance.choice(ids)
            values = self._draw("there", [f for f in self.fields if f.there(record_id)])
            before = self.world.sandbox.read(record_id)
            if self.chance.random() < 0.08:
                self.late()
            name = "Lead" if record_id.startswith("00Q") else "Contact"
            body = {f.there(record_id): v for f, v in values.items()}
            getattr(self.world.sandbox.sales, name).update(record_id, body, headers=AS_A_PERSON)
            self._enter("there", record_id, before, {**before, **body}, values, "")

    def create_there(self, sobject: str = "") -> None:
        with self.spared():
            sobject = sobject or self.chance.choice(("Lead", "Lead", "Contact"))
            number = self.next()
            fields = [f for f in self.fields if (f.lead if sobject == "Lead" else f.contact)]
            values = self._draw("there", fields, few=False)
            key = "lead" if sobject == "Lead" else "contact"
            body = {getattr(f, key): v for f, v in values.items()}
            if sobject == "Contact" and self.chance.random() < 0.7:
                body["AccountId"] = self.chance.choice(self.accounts())
            make = self.world.sandbox.lead if sobject == "Lead" else self.world.sandbox.contact
            record_id = make(**body, LastName=f"There {number}", Email=f"there{number}@example.com")
            self.records.append(record_id)
            self._enter("there", record_id, None, {**body, "Id": record_id}, values, "new: ")

    # -- the journal ----------------------------------------------------------------------------------------------

    def next(self) -> int:
        self.number += 1
        return self.number

    def _draw(self, side: str, fields: list[Field], *, few: bool = True) -> dict[Field, Any]:
        chosen = self.chance.sample(fields, self.chance.randint(1, 3)) if few else fields
        return {field: field.draw(self.chance, side, self.next()) for field in chosen}

    def _enter(self, side: str, owner: int | str, before: Any, after: Any, values: dict[Field, Any], how: str) -> None:
        told = []
        with self.world.aside():
            key = {"person_id": owner} if side == "here" else {"record_id": owner}
            link = SalesforceRecord.objects.filter(**key).first()
            there = self.row(link.record_id) if link and side == "here" else None
        for field in values:
            read = (
                (lambda row, f=field: f.of_person(row)) if side == "here" else (lambda row, f=field: f.of_record(row))
            )
            over, value = None if before is None else read(before), read(after)
            if before is not None and over == value:
                continue  # no edit
            agreed = link is not None and field.name in link.base and not link.weak_base
            self.journal.edits.append(
                Edit(
                    self.number,
                    side,
                    owner,
                    field.name,
                    value,
                    over,
                    agreed,
                    creation=before is None,
                    met=there is not None and field.there(there["Id"]) != "" and value == field.of_record(there),
                    stamp=self.world.time().replace(microsecond=0),
                )
            )
            told.append(f"{field.name}: {over!r} → {value!r}")
        who: list[Any] = [owner, *([link.person_id, link.record_id] if link else [])]
        self.journal.tell(f"{side} {owner} {how}{', '.join(told)}", *who)


def field(name: str) -> Field:
    return BY_NAME[name]

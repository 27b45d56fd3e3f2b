"""Quiet after the storm, and then the seven promises against the journal. Gives sentences about what is broken."""

from __future__ import annotations

from collections import Counter
from typing import Any

from syncer.models import (
    ActivityLogEntry,
    ActivityType,
    Claim,
    Conflict,
    CreateIntent,
    FormerId,
    PendingChange,
    PendingState,
    Person,
    SalesforceRecord,
    SyncUser,
    SyncUserState,
)
from syncer.salesforce import soql
from syncer.sync.fields.object_map import object_map
from syncer.sync.merge import same
from syncer.sync.persons import person_state
from tests.simulation.fields import BY_NAME, Value
from tests.simulation.history import History
from tests.simulation.journal import Edit

Problem = tuple[str, set[int | str]]


class Check:
    def __init__(self, history: History) -> None:
        self.history = history
        self.world = history.world
        self.journal = history.journal
        self.problems: list[Problem] = []
        self.records: dict[str, dict[str, Any]] = {}
        self.held: set[tuple[int, str]] = set()

    def fail(self, text: str, *concerned: int | str) -> None:
        self.problems.append((text, set(concerned)))

    # -- quiet ------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Faults off and everything visible; first with the validation rules still there (one record's failure stops
        no other), then without them."""
        history, sandbox = self.history, self.world.sandbox
        sandbox.control("DELETE", "faults")
        for sobject, name in sorted(history.hidden):
            sandbox.control("POST", "access", username="sync@example.com", object=sobject, field=name, access="edit")
        for record_id in sorted(history.unseen):
            sandbox.control("POST", "sharing", id=record_id, visible=True)
        history.hidden.clear()
        history.unseen.clear()
        self.journal.tell("everything is quiet and visible")
        with self.world.aside():
            SyncUser.objects.update(writes_stopped=False)
        self.world.skew *= 0
        self.world.pass_(86_400)
        self.quiet(full=history.was_unseen or bool(self.journal.purged))
        self._agreement(but_failed=True)
        for name in history.rules:
            sandbox.control("DELETE", "rules", object=name[:-2], name=name)
        with self.world.aside():
            failed = list(PendingChange.objects.filter(state=PendingState.FAILED).values_list("person_id", flat=True))
        if failed:
            told = self.world.sync(sorted(failed))
            self.journal.tell(f"retried {failed}: {told}", *failed)
        self.quiet()

    def quiet(self, *, full: bool = False) -> None:
        """Cycles until nothing changes, four at most."""
        before = None
        for number in range(5):
            self.world.pass_(700)
            with self.world.aside():
                SyncUser.objects.update(state=SyncUserState.READY, paused_until=None)
            run = self.history.cycle(full=full and number == 0)
            if not hasattr(run, "counters"):
                self.fail(f"A quiet cycle did not complete: {run}")
                return
            after = self._picture()
            if after == before:
                return
            before = after
        self.fail("Five quiet cycles did not come to rest.")

    def _picture(self) -> list[Any]:
        with self.world.aside():
            return [
                list(Person.objects.order_by("pk").values()),
                list(SalesforceRecord.objects.order_by("pk").values("person_id", "record_id", "base", "weak_base")),
                list(PendingChange.objects.order_by("pk").values("person_id", "state")),
                list(Claim.objects.order_by("pk").values("person_id", "token")),
            ]

    # -- the promises -----------------------------------------------------------------------------------------------

    def run(self) -> list[Problem]:
        self.settle()
        with self.world.aside():
            if not self.problems:
                self._agreement()
                self._edits()
                self._creates()
                self._leftovers()
        if not self.problems:
            self._quiet_cycle()
        return self.problems

    def _read(self) -> None:
        sales = self.world.sandbox.sales
        self.records = {}
        for name in ("Lead", "Contact"):
            fields = object_map(SyncUser.objects.get(), name)
            names = dict.fromkeys(
                [*fields.select, *(f.there("00Q" if name == "Lead" else "003") for f in self.history.people.fields)]
            )
            names.pop("", None)
            for row in sales.query_all(soql.select(list(names), name))["records"]:
                if not row.get("IsConverted"):
                    self.records[row["Id"]] = row

    def _agreement(self, *, but_failed: bool = False) -> None:
        """Promise 1 and 6: each record has its one person, and both agree with the base in every field both hold."""
        with self.world.aside():
            self._read()
            self.held.clear()
            user = SyncUser.objects.get()
            failed = set(PendingChange.objects.filter(state=PendingState.FAILED).values_list("person_id", flat=True))
            persons = person_state.by_record_ids(user.organisation_id, self.records)
            for record_id in self.records.keys() - persons.keys():
                if not self._stays_away(record_id):
                    self.fail(f"{record_id} has no person.", record_id)
            for link in SalesforceRecord.objects.exclude(record_id__in=list(self.records)).select_related("person"):
                purged = link.record_id in self.journal.purged and link.hidden_since is not None
                if not link.person.sfdc_is_deleted and not purged:
                    self.fail(f"Person {link.person_id} is linked to {link.record_id}, which is gone.", link.person_id)
            for record_id, person in persons.items():
                fields = object_map(user, "Lead" if record_id.startswith("00Q") else "Contact")
                here, _ = fields.here(person.values)
                there = fields.there(self.records[record_id])
                base = person.link.base if person.link else {}
                if person.sfdc_is_deleted or person.sfdc_id != record_id:
                    self.fail(f"Person {person.id} does not follow {record_id}.", person.id, record_id)
                account = there.get("company")
                if record_id.startswith("003") and account is not None and here["company"] != account:
                    self.fail(f"Person {person.id} works for {here['company']!r}, not {account!r}.", person.id)
                for rule in fields.rules:
                    name = rule.field
                    if (but_failed and person.id in failed) or not (rule.send and rule.receive):
                        continue
                    sent_later = name in self.journal.restricted or self.journal.stopped
                    if name not in base and there[name] is None and sent_later:
                        # First contact: filling in a field sends nothing, nor does a conversion while nothing is sent.
                        # It goes when the record is read the next time.
                        self.held.add((person.id, name))
                        continue
                    if not same(rule, here[name], there[name]) or not same(rule, base.get(name), there[name]):
                        self.fail(
                            f"Person {person.id} and {record_id} differ in {name}: here {here[name]!r}, base "
                            f"{base.get(name)!r}, there {there[name]!r}{' (with rules)' if but_failed else ''}.",
                            person.id,
                            record_id,
                        )

    def _stays_away(self, record_id: str) -> bool:
        """Its person was deleted here, and nobody has edited it there since: in the same second does not count, its
        stamp says nothing new then."""
        if record_id not in self.journal.deleted_here:
            return False
        number, stamp = self.journal.deleted_here[record_id]
        return not any(e.owner == record_id and e.number > number and e.stamp != stamp for e in self.journal.edits)

    def _edits(self) -> None:
        """Promises 2, 3 and 5: each value entered stands, was overwritten by somebody who saw it, or is in the log."""
        by_owner: dict[tuple[int | str, str], list[Edit]] = {}
        for edit in self.journal.edits:
            by_owner.setdefault((edit.owner, edit.field), []).append(edit)
        for person in Person.objects.filter(sfdc_is_deleted=False).exclude(sfdc_id=""):
            record = self.records.get(person.sfdc_id)
            if record is None:
                continue
            owners = self.journal.of(person.pk, person.sfdc_id)
            for field in self.history.people.fields:
                if (person.pk, field.name) in self.held:
                    continue
                edits = [e for owner in owners for e in by_owner.get((owner, field.name), ())]
                on_record = bool(field.there(person.sfdc_id))
                final = field.of_record(record) if on_record else field.of_person(vars(person))
                self._field(person, owners, sorted(edits, key=lambda e: e.number), final, on_record)

    def _field(  # noqa: C901 - everything that an edit may rightly end as, in one list
        self, person: Person, owners: set[int | str], edits: list[Edit], final: Value, on_record: bool
    ) -> None:
        if not edits:
            return
        field = BY_NAME[edits[0].field]
        joined = max(self.journal.joined.get(owner, 0) for owner in owners)
        lost, doubted = self._log(person.pk, field.name)
        leaves = [e for n, e in enumerate(edits) if not any(later.over == e.value for later in edits[n + 1 :])]
        for edit in leaves:
            if edit.value == final or edit.value in lost:
                continue
            blank = edit.value is None and edit.met  # of a field that the record had not filled either: it did not wait
            if joined and (edit.number <= joined or field.name == "person_score" or blank):
                continue  # another record's values took its place; the merge of the persons is in the log
            if self._back(edit, edits):
                continue  # back at a value that it had before: no edit, by value
            if field.lead.endswith("__c") and self._replaced(edit, edits):
                continue
            if edit.value is False and edit.owner in self.journal.continued:
                continue  # unticked there before the conversion was seen: no different from never ticked
            if edit.value is True and person.sfdc_id in self.journal.continued and field.name in self.journal.read_only:
                continue  # only Salesforce could tick it on the contact, and did not
            if edit.value is None and (edit.creation or self._was_converted(person)):
                continue  # nothing is blanked by a conversion
            if edit.owner in self.journal.never_received and (field.lead.endswith("__c") or not field.contact):
                continue
            if edit.owner in self.journal.continued.values() and field.lead in self.journal.hidden_on_leads:
                continue  # it could not be seen while the lead was there, and the conversion does not copy it
            if doubted:
                self.journal.doubts_accepted += 1
                continue
            kind = "lost" if on_record or edit.side == "here" else "lost at the conversion"
            self.fail(f"{edit} is {kind}: {field.name} of person {person.pk} is {final!r}.", *owners)
            return
        self._winner(person, owners, leaves, final, joined, edits)

    def _was_converted(self, person: Person) -> bool:
        """It is the contact of a converted lead, or was, until that contact was merged into another one."""
        former = FormerId.objects.filter(person_id=person.pk).values_list("record_id", flat=True)
        return any(record_id in self.journal.continued for record_id in (person.sfdc_id, *former))

    def _back(self, edit: Edit, edits: list[Edit]) -> bool:
        """Values that repeat, and blanks: what was undone before the other side saw it was no edit."""
        field = BY_NAME[edit.field]
        if field.unique and edit.value is not None:
            return False
        before = [e for e in edits if e.number <= edit.number and e.over == edit.value]
        return any(not field.unique or (e.side == edit.side and not e.creation) for e in before)

    def _replaced(self, edit: Edit, edits: list[Edit]) -> bool:
        """Entered for a lead, which a conversion does not copy, and filled in on the contact since: that stays."""
        lead = isinstance(edit.owner, int) or edit.owner in self.journal.continued.values()
        return lead and any(
            e.owner in self.journal.continued and e.number > edit.number and e.over is None for e in edits
        )

    def _winner(
        self,
        person: Person,
        owners: set[int | str],
        leaves: list[Edit],
        final: Value,
        joined: int,
        edits: list[Edit],
    ) -> None:
        """Promise 2 and 3: what stands is what was entered last on one side, the winner's if on both."""
        field = BY_NAME[leaves[0].field]
        uncertain = field.name in self.journal.restricted or not field.unique or joined
        for record_id in (person.sfdc_id, self.journal.continued.get(person.sfdc_id, "")):
            uncertain = uncertain or field.there(record_id or "00Q") in self.journal.in_doubt.get(record_id, ())
        if uncertain or person.sfdc_id in self.journal.continued:
            return
        standing = [e for e in leaves if e.value == final]
        if not standing:
            self.fail(f"{field.name} of person {person.pk} is {final!r}, which nobody entered last: {leaves}", *owners)
            return
        winner = "here" if self.history.winner == "marketo" else "there"
        # A value that was put back to what both had agreed on is no edit, by value, and wins over nothing.
        contenders = [
            e for e in leaves if e.side == winner and e.agreed and e.value != final and not self._back(e, edits)
        ]
        if contenders and standing[0].side != winner and standing[0].agreed:
            self.fail(f"{field.name} of person {person.pk}: {standing[0]} won over {contenders}", *owners)

    def _log(self, person: int, name: str) -> tuple[set[Value], bool]:
        """The values of a field that the log says were overwritten, and whether one is in doubt."""
        lost: set[Value] = set()
        doubted = False
        field = BY_NAME[name]
        entries = ActivityLogEntry.objects.filter(person_id=person, type=ActivityType.CONFLICT, field=name)
        for detail in entries.values_list("detail", flat=True):
            if detail.get("reason") in ("The answer was lost.", "What it had before could not be read."):
                doubted = True
            else:
                lost.add(field.canonical(detail["lost"]))
        conflicts = Conflict.objects.filter(person_id=person, field=name)
        known = {field.canonical(v) for pair in conflicts.values_list("here", "there") for v in pair}
        if not lost <= known:
            self.fail(f"Values in the log of person {person} are no conflicts: {lost - known}", person)
        return lost, doubted

    def _creates(self) -> None:
        """Promise 4: one lead at most for each person made here, ever."""
        text = "SELECT Id, LastName FROM Lead WHERE LastName LIKE 'Here %'"
        leads = self.world.sandbox.sales.query_all(text, include_deleted=True)["records"]
        for name, count in Counter(lead["LastName"] for lead in leads).items():
            if count > 1 + self.journal.made_anew[name]:
                ids = [lead["Id"] for lead in leads if lead["LastName"] == name]
                self.fail(f"{count} leads were made for {name}: {ids}", *ids)
        for person_id, name in self.journal.made.items():
            persons = list(Person.objects.filter(last_name=name).values_list("pk", flat=True))
            if len(persons) > 1 + self.journal.made_anew[name]:  # the deleted one may have been undeleted later
                self.fail(f"{name} is {len(persons)} persons: {persons}", person_id, *persons)

    def _leftovers(self) -> None:
        # What waits for a record that was deleted for good, and that the sync user can't see any more, goes on waiting.
        rows = PendingChange.objects.exclude(person__record__record_id__in=self.journal.purged)
        # Nor is a lead made for somebody without a company, whose contact was deleted and who was to be made anew.
        rows = rows.exclude(error_code="REQUIRED_FIELD_MISSING", person__sfdc_type="", person__company="")
        for row in rows.values("person_id", "state", "error_code", "error_message"):
            self.fail(f"Left in the outbox: {row}", row["person_id"])
        for claim in Claim.objects.values("person_id", "token"):
            self.fail(f"Still in somebody's hands: {claim}", claim["person_id"])
        for intent in CreateIntent.objects.values("person_id", "state"):
            self.fail(f"A create is still open: {intent}", intent["person_id"])
        for link in SalesforceRecord.objects.filter(weak_base=True, person__sfdc_is_deleted=False):
            self.fail(f"{link} has a weak base for ever.", link.person_id)

    def _quiet_cycle(self) -> None:
        """Promise 7's end: one more quiet cycle is one call and writes nothing."""
        self.world.sandbox.clear_requests()
        run = self.history.cycle()
        writes = {name: n for name, n in self.world.sandbox.writes().items() if not name.endswith("/composite")}
        if run.api_calls != 1 or writes or run.counters["sent"]["updated"]:
            self.fail(f"A quiet cycle made {run.api_calls} calls: {writes}")

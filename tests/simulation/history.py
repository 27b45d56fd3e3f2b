"""One history, driven by one seed: edits, faults, crashes and cycles, then quiet, then the promises."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from syncer.models import Person, SalesforceRecord, SyncUser, SyncUserState
from syncer.sync.errors import CannotSync
from syncer.sync.options import Action, SyncOptions
from tests.simulation.fields import FIELDS
from tests.simulation.life import Life
from tests.simulation.people import People
from tests.simulation.world import Crash, World

#: Faults: kind, options, the requests that they may strike.
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("status", {"status": 503}),
    ("status", {"status": 500}),
    ("status", {"status": 503, "html": True}),
    ("status", {"status": 403, "code": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests Limit exceeded."}),
    ("drop_before", {}),
    ("drop_after", {}),
    ("drop_after", {}),
    ("truncate", {}),
    ("lock", {}),
    ("expire_session", {}),
    ("delay_ms", {"delay_ms": 20_000}),
    ("delay_ms", {"delay_ms": 90_000}),
)
ROUTES = ("/composite", "/composite/sobjects", "/composite/sobjects", "/query", "/services/data", "/oauth2/token")
PAUSES = (0, 0, 0.3, 1, 3, 40, 300, 800)


class History:
    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.chance = self.world.chance
        self.journal = self.world.journal
        self.people = People(self.world)
        self.cycles = 0
        self.hidden: set[tuple[str, str]] = set()
        self.rules: list[str] = []
        self.unseen = self.journal.unseen
        self.was_unseen = False
        self.winner = "marketo" if self.chance.random() < 0.7 else "salesforce"
        self.external_id = self.chance.random() < 0.75
        people, life = self.people, Life(self.people)
        self.actions = {
            people.edit_here: 30,
            people.edit_there: 30,
            people.create_there: 4,
            people.create_here: 4,
            self.sync_some: 10,
            life.convert: 2,
            life.merge: 2,
            life.delete: 2,
            life.undelete: 2,
            life.purge: 0.5,
            life.new_field: 0.5,
            life.retype_field: 0.3,
            life.rename_account: 1,
            life.delete_here: 1,
            self.change_access: 3,
            self.change_rules: 2,
            self.change_sharing: 1,
            self.switch: 0.7,
            self.jump: 1,
            self.let_time_pass: 4,
        }

    # -- what the application's people and the world around it do ----------------------------------------------------

    def sync_some(self) -> None:
        """Sync Person to SFDC, also while a cycle runs; two deep at most."""
        if self.world.depth > 1:
            return
        with self.world.aside():
            ids = list(Person.objects.order_by("pk").values_list("pk", flat=True))
            free = list(Person.objects.filter(sfdc_type="").order_by("pk").values_list("pk", flat=True))
        chosen = self.chance.sample(ids, min(len(ids), self.chance.randint(1, 3)))
        if free and self.chance.random() < 0.7:
            chosen = list(dict.fromkeys([self.chance.choice(free), *chosen[1:]]))
        if not chosen:
            return
        options = self._options(chosen)
        with self.world.aside():
            links = SalesforceRecord.objects.filter(person_id__in=chosen)
            owned = [who for pair in links.values_list("person_id", "record_id") for who in pair]
        self.journal.tell(f"sync {chosen} begins {options.to_dict() or ''}", *chosen)
        told = self.world.sync(chosen, self._crash(0.2), options=options)
        if isinstance(told, list):
            told = "; ".join(f"{o.person_id} {o.result.value} {o.code} {o.sfdc_id}".strip() for o in told)
        self.journal.tell(f"sync {chosen}: {told or 'killed'}", *chosen)
        if options.action is Action.DELETE:
            # Of a lead that has been converted meanwhile: its person is let go, and the contact is another one's.
            self.journal.join(self.people.number, *owned)

    def _options(self, chosen: list[int]) -> SyncOptions:
        draw = self.chance.random()
        if draw < 0.1:
            return SyncOptions(action=Action.REFRESH)
        if draw < 0.14:
            return SyncOptions(action=Action.DELETE)
        if draw < 0.2:
            with self.people.spared():
                users = self.world.sandbox.sales.query("SELECT Id FROM User WHERE IsActive = true ORDER BY Id")
                return SyncOptions(action=Action.OWNER, owner=self.chance.choice(users["records"])["Id"])
        if draw < 0.35:
            with self.world.aside():
                for person in Person.objects.filter(pk__in=chosen, sfdc_is_deleted=True):
                    self.journal.made_anew[person.last_name] += 1
                    self.journal.join(self.people.number, person.pk, person.sfdc_id)
            return SyncOptions(recreate_deleted=True)
        return SyncOptions()

    def switch(self) -> None:
        """Somebody stops everything that writes, or lets it go on."""
        with self.world.aside():
            stopped = not SyncUser.objects.get().writes_stopped
            SyncUser.objects.update(writes_stopped=stopped)
        self.journal.stopped = True
        self.journal.tell(f"writing to Salesforce {'stopped' if stopped else 'goes on'}")

    def change_access(self) -> None:
        user = "sync@example.com"
        if self.hidden and self.chance.random() < 0.5:
            sobject, name = self.chance.choice(sorted(self.hidden))
            self.hidden.discard((sobject, name))
            access = "edit"
        else:
            sobject = self.chance.choice(("Lead", "Contact"))
            field = self.chance.choice([f for f in FIELDS if f.contact])
            name = field.lead if sobject == "Lead" else field.contact
            access = self.chance.choice(("hidden", "hidden", "read"))
            self.hidden.add((sobject, name))
            self.journal.restricted.add(field.name)
            if sobject == "Lead" and access == "hidden" and name.endswith("__c"):
                self.journal.hidden_on_leads.add(name)
            if sobject == "Contact" and access == "read":
                self.journal.read_only.add(field.name)
        self.world.sandbox.control("POST", "access", username=user, object=sobject, field=name, access=access)
        self.journal.tell(f"access: {sobject}.{name} {access}")

    def change_rules(self) -> None:
        """A validation rule that the odd records break, whatever is sent of them."""
        if self.rules and self.chance.random() < 0.5:
            name = self.rules.pop()
            self.world.sandbox.control("DELETE", "rules", object=name[:-2], name=name)
            self.journal.tell(f"rule {name} gone")
            return
        sobject = self.chance.choice(("Lead", "Contact"))
        name = f"{sobject} {len(self.rules)}"
        digit = self.chance.randint(0, 9)
        self.world.sandbox.rule(name, f"LastName LIKE '%{digit}'", "Not today.", sobject=sobject, field="Title")
        self.rules.append(name)
        self.journal.tell(f"rule {name}: no last name ends with {digit}")

    def change_sharing(self) -> None:
        with self.people.spared():
            if self.unseen and self.chance.random() < 0.6:
                record_id = self.chance.choice(sorted(self.unseen))
                self.unseen.discard(record_id)
            else:
                record_id = self.chance.choice(self.people.live())
                self.unseen.add(record_id)
                self.was_unseen = True
            visible = record_id not in self.unseen
            self.world.sandbox.control("POST", "sharing", id=record_id, visible=visible)
            self.journal.tell(f"sharing: {record_id} {'visible' if visible else 'not visible'}", record_id)

    def jump(self) -> None:
        """This side's clock is set, forward or back; between cycles only."""
        if self.world.depth:
            return
        self.world.skew = timedelta(seconds=self.chance.choice((-7200, -90, 0, 90, 7200)))
        self.world.show_time()
        self.journal.tell(f"this side's clock is now off by {self.world.skew}")

    def let_time_pass(self) -> None:
        self.world.pass_(self.chance.choice(PAUSES) if not self.world.depth else self.chance.choice((0, 1, 5, 20)))

    def another_cycle(self) -> None:
        """Another worker starts a cycle: it is told that one runs, or takes over from one that was too slow."""
        if self.world.depth != 1 or self.world.writing:
            return
        late = self.chance.random() < 0.5
        if late:
            self.world.pass_(130)
        self.journal.tell(f"another cycle begins{' after two minutes' if late else ''}")
        self.journal.tell(f"another cycle: {self._shown(self.world.cycle(self._crash(0.1)))}")

    # -- the course -------------------------------------------------------------------------------------------------

    def act(self, place: str = "") -> None:
        if place in ("after call", "statement") and self.chance.random() < 0.03:
            self.another_cycle()
            return
        action: Any = self.chance.choices(list(self.actions), list(self.actions.values()))[0]
        action()

    def run(self) -> None:
        """Needs at least 30 edits, 8 records, 5 cycles and 3 faults; goes on until there are."""
        world, people = self.world, self.people
        automatic, world.page = self.chance.random() < 0.15, self.chance.choice((2000, 2000, 4, 1))
        with world.aside():
            SyncUser.objects.update(lead_winner=self.winner, contact_winner=self.winner, create_leads=automatic)
            SyncUser.objects.update(hold_refused_fields=world.seed % 4 == 0)
        self.journal.tell(
            f"seed {world.seed}: {self.winner} wins, external id: {self.external_id}, leads made by themselves: "
            f"{automatic}, records a page: {world.page}"
        )
        if not self.external_id:
            world.sandbox.control(
                "POST", "access", username="sync@example.com", object="Lead", field="Person_Id__c", access="hidden"
            )
        for sobject in ("Lead",) * 6 + ("Contact",) * 3:
            people.create_there(sobject)
        for _ in range(2):
            people.create_here()
        world.inject = self.act
        cycles = self.chance.randint(5, 8)
        while self.cycles < cycles or self.journal.faults < 3 or len(self.journal.edits) < 30:
            for _ in range(self.chance.randint(2, 8)):
                self.act()
            for _ in range(self.chance.choice((0, 1, 1, 2))):
                self.plan_fault()
            self.cycle(self._crash(0.35), full=self.chance.random() < 0.08)
        world.inject = lambda place: None

    def cycle(self, crash: Crash | None = None, **options: Any) -> Any:
        self.cycles += 1
        self.world.pass_(self.chance.choice(PAUSES))
        full = " in full" if options.get("full") else ""
        self.journal.tell(f"cycle {self.cycles} begins{full} at {self.world.time():%d %H:%M:%S}")
        told = self.world.cycle(crash, **options)
        self.journal.tell(f"cycle {self.cycles}: {self._shown(told)}")
        with self.world.aside():
            # Somebody corrects the connection and lets it go on.
            SyncUser.objects.filter(state=SyncUserState.REFUSED).update(state=SyncUserState.READY)
        return told

    def plan_fault(self) -> None:
        kind, options = self.chance.choice(FAULTS)
        route = self.chance.choice(ROUTES)
        if kind == "lock":
            with self.people.spared():
                options = {"ids": self.chance.sample(live := self.people.live(), min(2, len(live)))}
                route = "/composite"
        nth, times = self.chance.randint(1, 3), self.chance.choice((1, 1, 2, 7))
        if kind == "expire_session":
            times = 1
        self.world.sandbox.fault(route, kind, nth=nth, times=times, **options)
        self.journal.tell(f"planned: {kind} {options} on {route}, number {nth}, {times} times")

    def _crash(self, probability: float) -> Crash | None:
        if self.chance.random() >= probability:
            return None
        place = self.chance.choice(("before call", "after call", "after call", "transaction", "statement"))
        most = {"before call": 5, "after call": 5, "transaction": 16, "statement": 40}[place]
        return Crash(place, self.chance.randint(1, most))

    @staticmethod
    def _shown(told: Any) -> str:
        if isinstance(told, CannotSync):
            return f"could not ({told.code}: {told})"
        return f"{told.status} {told.counters}" if told else "killed"

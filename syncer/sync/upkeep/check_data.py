"""The invariants of the database: what has to be true of each person, whatever crashed or raced. Checked by ``manage.py
checkdata``, by the worker each day, and at the end of each simulated history.

What is broken is put right in a transaction that looks once more; nothing of it is decided here: whoever waits is
compared by the next sending, whose record is in doubt is read by the next cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef

from syncer.models import FormerId, Person, SalesforceRecord, SfdcType, SyncUser, Tombstone, triggers
from syncer.models.triggers import agreeing_writes
from syncer.sync.fields.object_map import ObjectMap, object_map
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.merge import merge
from syncer.sync.persons import person_state
from syncer.sync.persons.person_state import PersonState
from syncer.sync.store import former_ids, intents, outbox, persons, tombstones
from syncer.sync.store.locking import lock_for
from syncer.sync.store.transactions import repeated, wait_briefly

#: Persons that are loaded together.
PAGE = 500

Maps = Mapping[str, ObjectMap]


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence that holds of every person; whom it does not hold of is ``broken``, and ``mend`` puts that right."""

    sentence: str
    broken: Callable[[Maps, PersonState], bool]
    mend: Callable[[Sequence[PersonState]], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence that does not hold, and of whom: a person's number, or a record's id."""

    sentence: str
    of: str

    def __str__(self) -> str:
        return f"{self.of}: {self.sentence}"


def check(*, mend: bool, tell: Callable[[int], None] = lambda done: None) -> Iterator[Finding]:
    """Look at all persons, page by page in the order of their ids, and yield what does not hold. ``mend`` puts it
    right. ``tell`` hears how many persons were looked at."""
    if missing := triggers.missing():
        yield from (Finding("The trigger that notices edits is there.", name) for name in missing)
        if mend:
            triggers.repair()
    yield from _records(mend=mend)
    sync_user = SyncUser.objects.filter(is_active=True).first()
    maps = {name: object_map(sync_user, name) for name in OBJECTS} if sync_user else {}
    after = done = 0
    while page := person_state.load(Person.objects.filter(id__gt=after).order_by("id")[:PAGE]):
        after, done = page[-1].id, done + len(page)
        for invariant in INVARIANTS:
            found = [person for person in page if invariant.broken(maps, person)]
            yield from (Finding(invariant.sentence, f"Person {person.id}") for person in found)
            if found and mend:
                _mend(invariant, maps, [person.id for person in found])
        tell(done)


@repeated
def _mend(invariant: Invariant, maps: Maps, ids: Sequence[int]) -> None:
    """Once more, with the persons locked: what another worker has put right meanwhile is left alone. Whoever is busy is
    looked at the next time."""
    with agreeing_writes():
        wait_briefly()
        free = lock_for("", ids)
        still = [person for person in person_state.by_ids(free).values() if invariant.broken(maps, person)]
        invariant.mend(still)


# -- of each person ---------------------------------------------------------------------------------------------------


def _edit_is_forgotten(maps: Maps, person: PersonState) -> bool:
    """A value differs from what was agreed and may be sent, and no row of the outbox says so."""
    link = person.link
    if link is None or person.pending or person.sfdc_is_deleted or link.hidden_since is not None or link.weak_base:
        return False
    fields = maps.get(link.object)
    if fields is None:
        return False
    here, bad = fields.here(person.values)
    rules = [rule for rule in fields.rules if rule.field not in bad]
    return bool(merge(rules, link.base, here, link.base).to_send)


def _link_differs(maps: Maps, person: PersonState) -> bool:
    link = person.link or person.left
    if link is None:
        return person.sfdc_type != SfdcType.NONE
    return (person.sfdc_type, person.sfdc_id) != (link.object, link.record_id)


def _as_linked(broken: Sequence[PersonState]) -> None:
    persons.update(
        [
            (
                person,
                {
                    "sfdc_type": link.object if link else "",
                    "sfdc_id": link.record_id if link else "",
                    "sfdc_is_deleted": person.sfdc_is_deleted and link is not None,
                },
                person.updated_at,
            )
            for person in broken
            for link in [person.link or person.left]
        ]
    )


def _waits_in_vain(maps: Maps, person: PersonState) -> bool:
    """Nothing of this person can be sent: there is no record, and no create is to be tried again."""
    nowhere = person.link is None or person.sfdc_is_deleted
    asked = person.error_code or person.in_doubt or person.sent_to_create is not None
    return bool(person.pending) and nowhere and not asked


INVARIANTS = (
    Invariant(
        "What differs from what was agreed waits in the outbox.",
        _edit_is_forgotten,
        lambda found: outbox.put_in([(person.id, person.revision) for person in found], anew=False),
    ),
    Invariant("A person's columns name the record that it is linked to.", _link_differs, _as_linked),
    Invariant(
        "Only what can be sent somewhere waits in the outbox.",
        _waits_in_vain,
        lambda found: outbox.forget(person.id for person in found),
    ),
    Invariant(
        "Who has a record has no create under way.",
        lambda maps, person: person.linked and person.sent_to_create is not None,
        lambda found: intents.forget(person.id for person in found),
    ),
)


# -- of each record ---------------------------------------------------------------------------------------------------


def _records(*, mend: bool) -> Iterator[Finding]:
    """Ids that say of a record that it is no person's, although it is."""
    linked = SalesforceRecord.objects.filter(organisation=OuterRef("organisation"), record_id=OuterRef("record_id"))
    former = FormerId.objects.filter(Exists(linked)).values_list("pk", "record_id")
    buried = Tombstone.objects.filter(Exists(linked)).values_list("pk", "record_id")
    for rows, sentence, remove in (
        (former, "A former id is nobody's record.", former_ids.remove_rows),
        (buried, "A record whose person was deleted has no other person.", tombstones.remove_rows),
    ):
        found = list(rows)
        yield from (Finding(sentence, record_id) for _, record_id in found)
        if found and mend:
            with transaction.atomic():
                remove([pk for pk, _ in found])

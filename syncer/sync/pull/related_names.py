"""Follows accounts and users: some fields of a contact are its account's, a record's owner is a user, and changing one
of those moves no stamp on the person's record. Which fields they are is in ``fields.synced_objects``.

The cycle's one request asks for those that changed, each object with a cursor of its own. Its first cycle reads no
history: what the records are called now comes with the records.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection

from syncer.models import SalesforceRecord, SyncCursor
from syncer.salesforce import soql
from syncer.salesforce.client import Answer, Page
from syncer.salesforce.errors import Recovery, Refused, policy_for
from syncer.sync.connection import runs
from syncer.sync.connection.pages import first_page
from syncer.sync.context import Context
from syncer.sync.fields.object_map import MappedField, ObjectMap, unseen_objects
from syncer.sync.fields.synced_objects import ACCOUNT, CONTACT, FOLLOWED, OBJECTS, OWNER
from syncer.sync.merge import Value
from syncer.sync.persons import person_state
from syncer.sync.persons.merged import Merged
from syncer.sync.persons.record import OVERLAP, Reading, parse, related_text, stamp_of
from syncer.sync.pull import describes
from syncer.sync.pull.records import Left, merge_with
from syncer.sync.store import bulk_sql, cursors, links
from syncer.sync.store.locking import lock_as_they_are, retry_busy
from syncer.sync.store.transactions import repeated, write_transaction
from syncer.sync.store.value_errors import in_halves

#: Pages of 2,000 rows that one cycle reads of each object. A nightly job that touches 500,000 accounts is spread over
#: many cycles, so that it uses up neither the day's API calls nor the time of the records.
PAGES_A_CYCLE = 10
#: Persons in one transaction.
BATCH = 2000
#: Changes are read again for so long in which a row came without an Id.
HELD_FOR = timedelta(hours=24)
#: Stands for the stamp of an account that has none that can be read.
NO_STAMP = "2000-01-01T00:00:00.000+0000"


def queries(context: Context, objects: Iterable[str]) -> dict[str, str]:
    """What to ask for in the cycle's request, by object."""
    return {name: _query(name, cursors.cursor_for(context, name)) for name in _followed(context, objects)}


def _followed(context: Context, objects: Iterable[str]) -> list[str]:
    """An object that the sync user does not see is asked for again each time, so that it is noticed when he does."""
    followed = list(FOLLOWED)
    if CONTACT.name not in objects:
        followed.remove(ACCOUNT.object)
    elif not _from_accounts(context).fields and ACCOUNT.object not in unseen_objects(context.sync_user):
        # Nothing is received from accounts. When that changes, it is filled in and followed from then on.
        followed.remove(ACCOUNT.object)
        context.store.forget_cursor(context, ACCOUNT.object)
    return followed


def _from_accounts(context: Context) -> ObjectMap:
    """The map of what contacts receive from their accounts, with no field when that is nothing."""
    fields = context.maps[CONTACT.name]
    received = (field.salesforce_field for field in fields.fields if field.rule.receive)
    return fields.only(name for name in received if CONTACT.parent_of(name) is ACCOUNT)


def _query(name: str, cursor: SyncCursor) -> str:
    select = ["Id", "SystemModstamp", *FOLLOWED[name].read_fields]
    if cursor.read_to is None:
        return soql.select(select, name, limit=1)  # only whether the sync user may see it
    after = (cursor.resume_stamp, cursor.resume_id) if cursor.resume_stamp is not None else None
    where = soql.changed_since(cursor.read_to - OVERLAP, after)
    return soql.select(select, name, where=where, order_by=["SystemModstamp", "Id"])


def take_access(context: Context, answer: Answer, asked: Iterable[str]) -> list[describes.SchemaChange]:
    """Learn from an answer which of the objects the sync user sees. Return what that changed in the mappings."""
    seen = {}
    for name in asked:
        error = answer[f"changes{name}"].error()
        if error is None or policy_for(error.code).recovery is Recovery.REFRESH_FIELDS:
            seen[name] = error is None
    return describes.take_related(context, seen)


def begin(context: Context, answer: Answer, reading: Reading, asked: Iterable[str]) -> dict[str, Page]:
    """The first pages of the objects whose changes are to be followed now, before any record is merged; an object that
    was never read is followed from now on. What Salesforce refuses of it stops nothing else."""
    pages = {}
    for name in asked:
        response = answer[f"changes{name}"]
        if (error := response.error()) is not None:
            unseen = policy_for(error.code).recovery is Recovery.REFRESH_FIELDS
            why = f"the sync user can't see the object {name}" if unseen else error.message
            context.note(f"{FOLLOWED[name].missing}: {why} ({error.code}).")
            continue
        cursor = cursors.cursor_for(context, name)
        if cursor.read_to is None:
            cursor.read_to = reading.asked_at
            context.store.store_cursor(context, cursor)
            if name == ACCOUNT.object and cursors.cursor_for(context, CONTACT.name).read_to is not None:
                # The contacts were read before their accounts were followed: the filling in tells which they are.
                for field in ACCOUNT.fields.values():
                    context.store.refill(context, CONTACT.name, field.name)
            continue
        pages[name] = first_page(answer, f"changes{name}")
    return pages


def receive(context: Context, name: str, first: Page, reading: Reading) -> Iterator[None]:
    """Apply what changed, page by page, and move the cursor with each, in turns with others; what is beyond the budget
    is left to the next cycles. Each page is a query of its own behind the last row: Salesforce may have dropped a list
    that was opened before a long read of records."""
    cursor = cursors.cursor_for(context, name)
    cursor.reading_since = cursor.reading_since or reading.asked_at
    page, done, whole = first, 0, True
    for number in range(1, PAGES_A_CYCLE + 1):
        whole = whole and not page.nameless
        if page.records:
            renamed = _APPLY[name](context, page.records, reading)
            last = next((row for row in reversed(page.records) if stamp_of(row)), None)
            if last is not None:
                cursor.resume_stamp, cursor.resume_id = stamp_of(last), last["Id"]
            done += len(page.records)
            if renamed or page.next_url:
                runs.report(context, f"Following {name}s", done, max(done, page.total))
        if not page.next_url:
            if whole or _held_long_enough(cursor):
                cursor.read_to = cursor.reading_since
            else:
                context.note(f"Of the {name}s that changed, one came without a readable Id: they are read again.")
            cursor.reading_since = None
            cursor.resume_stamp, cursor.resume_id = None, ""
        context.store.store_cursor(context, cursor)
        if not page.next_url:
            return
        if number == PAGES_A_CYCLE:
            context.note(f"More {name}s changed than one cycle reads; the next ones go on.")
            return
        if context.turn_is_over():
            yield
        context.next_batch()
        try:
            page, reading = context.query(_query(name, cursor))
        except Refused as error:
            context.note(f"The next cycle goes on reading {name}s: {error.message}")
            return


def _held_long_enough(cursor: SyncCursor) -> bool:
    """A row without an Id is asked for again with those that changed since; not for ever."""
    since, read_to = cursor.reading_since, cursor.read_to
    return since is None or read_to is None or since - read_to > HELD_FOR


# -- accounts ---------------------------------------------------------------------------------------------------------


def _apply_accounts(context: Context, rows: Sequence[Mapping[str, Any]], reading: Reading) -> int:
    """Merge what contacts receive from accounts into the persons whose contact belongs to them, where the values agreed
    last are others. Return how many they are. Nobody else is loaded."""
    fields = _from_accounts(context)
    if not fields.fields:
        return 0
    # An account without a readable stamp is as good as any other: what counts is its name now.
    accounts = {row["Id"]: row if stamp_of(row) else {**row, "SystemModstamp": NO_STAMP} for row in rows}
    received = {key: fields.there({ACCOUNT.relationship: row}) for key, row in accounts.items()}
    ids = bulk_sql.matching(
        SalesforceRecord,
        "person_id",
        ["account_id", *("owner_name" for _ in fields.fields)],  # the values are texts like a name
        [[key, *(_as_text(found.get(f.person_field)) for f in fields.fields)] for key, found in received.items()],
        where=f"""t."account_id" = s.c0 AND NOT (t."account_id" = '') AND t."organisation" = %s
            AND NOT t."weak_base" AND t."hidden_since" IS NULL AND ({_agreed_differs(len(fields.fields))})""",
        params=[context.organisation, *(_agreed_path(field) for field in fields.fields)],
    )
    for start in range(0, len(ids), BATCH):
        _receive_from_accounts(context, fields, reading, accounts, ids[start : start + BATCH])
        context.give_up_in_time()
    return len(ids)


def _receive_from_accounts(
    context: Context,
    fields: ObjectMap,
    reading: Reading,
    accounts: Mapping[str, Mapping[str, Any]],
    person_ids: Iterable[int],
) -> None:
    """One batch of persons."""
    left = Left()

    def take(ids: Sequence[int]) -> list[int]:
        applied = context.store.apply(context, fields, reading, _merged(context, fields, accounts, ids))
        context.received["updated"] += len(applied.changed)
        left.later.extend(m.record.id for m in applied.stale)
        return [m.person.id for m in applied.again]

    def blame(person_id: int, error: Exception) -> None:
        for record_id in _records_of([person_id]):
            left.blame(CONTACT.name, record_id, error)

    busy = retry_busy(person_ids, lambda ids, attempt: in_halves(ids, take, blame))
    context.store.postpone(context, CONTACT.name, [*left.later, *_records_of(busy)], reading)
    if left.at_fault:
        context.store.set_aside(context, CONTACT.name, left.at_fault)


def _records_of(person_ids: Collection[int]) -> list[str]:
    links = SalesforceRecord.objects.filter(person_id__in=person_ids) if person_ids else SalesforceRecord.objects.none()
    return list(links.values_list("record_id", flat=True))


#: A value agreed last is not the account's, which is in column {0}.
_AGREED_DIFFERS = {
    "postgresql": '(t."base" ->> %s) IS DISTINCT FROM s.c{0}',
    "sqlite": 'CAST(json_extract(t."base", %s) AS TEXT) IS NOT s.c{0}',
}
#: No and yes, as these conditions compare them.
_CHECKBOX = {"postgresql": ("false", "true"), "sqlite": ("0", "1")}


def _agreed_differs(fields: int) -> str:
    """The condition that one of so many fields differs."""
    differs = _AGREED_DIFFERS[connection.vendor]
    return " OR ".join(differs.format(column) for column in range(1, fields + 1))


def _as_text(value: Value) -> str | None:
    return _CHECKBOX[connection.vendor][value] if isinstance(value, bool) else value


def _agreed_path(field: MappedField) -> str:
    return field.person_field if connection.vendor == "postgresql" else f'$."{field.person_field}"'


def _merged(
    context: Context, fields: ObjectMap, accounts: Mapping[str, Mapping[str, Any]], ids: Iterable[int]
) -> list[Merged]:
    """The persons as they are now, merged with what comes from their account, as far as that changes anything."""
    found = []
    for person in person_state.by_ids(ids).values():
        link = person.link
        account = accounts.get(link.account_id) if link is not None else None
        if link is None or account is None or link.object != CONTACT.name or person.sfdc_is_deleted:
            continue
        if link.weak_base or link.hidden_since:
            continue  # it is read whole, when it can be
        if context.store.is_decided(person.id):
            continue  # its record was read in this dry run, and brought the account's fields with it
        row = {"Id": link.record_id, "SystemModstamp": account["SystemModstamp"], ACCOUNT.relationship: account}
        merged = merge_with(context, fields, person, parse(fields, row), filling=True)
        if merged.merge.base_after_reading(link.base) != link.base:
            found.append(merged)
    return found


# -- users ------------------------------------------------------------------------------------------------------------


def _apply_users(context: Context, rows: Sequence[Mapping[str, Any]], reading: Reading) -> int:
    """The names and addresses of users, for the records that they own. Return to how many they are new."""
    users = [(row["Id"], related_text(row, "Name"), related_text(row, "Email")) for row in rows]
    return context.store.rename_owners(context, users, reading)


def write_owners(context: Context, users: Collection[tuple[str, str, str]], reading: Reading) -> int:
    """Write the names and addresses of users (with their ids) to the records that they own, where another one stands.
    Return to how many."""
    ids = bulk_sql.matching(
        SalesforceRecord,
        "person_id",
        ["owner_id", "owner_name", "owner_email"],
        [[*user] for user in users],
        where="""t."owner_id" = s.c0 AND NOT (t."owner_id" = '') AND t."organisation" = %s
            AND (t."owner_name" <> s.c1 OR t."owner_email" <> s.c2)""",
        params=[context.organisation],
    )
    for start in range(0, len(ids), BATCH):
        remaining = _write_owners(context, users, ids[start : start + BATCH], reading)
        for sobject in OBJECTS:
            later = [record_id for name, record_id in remaining if name == sobject]
            context.store.postpone(context, sobject, later, reading)
        context.give_up_in_time()
    return len(ids)


@repeated
def _write_owners(
    context: Context, users: Collection[tuple[str, str, str]], ids: Iterable[int], reading: Reading
) -> list[tuple[str, str]]:
    """One statement for the records of a batch of persons. Return object and id of those that have to be read anew,
    because their person is being edited right now or a newer request has read them."""
    batch, names = list(ids), {pk: (name, email) for pk, name, email in users}
    with write_transaction(context):
        free = lock_as_they_are(context, batch)
        owned = SalesforceRecord.objects.filter(person_id__in=batch, owner_id__in=names).values_list(
            "person_id", "owner_id", "read_sequence", "object", "record_id"
        )
        written: list[tuple[int, str, str, str]] = []
        remaining: list[tuple[str, str]] = []
        for person, owner, sequence, sobject, record_id in owned:
            if person in free and sequence <= reading.sequence:
                written.append((person, owner, *names[owner]))
            else:
                remaining.append((sobject, record_id))
        links.rename_owners(written)
    return remaining


_APPLY: dict[str, Callable[[Context, Sequence[Mapping[str, Any]], Reading], int]] = {
    ACCOUNT.object: _apply_accounts,
    OWNER.object: _apply_users,
}

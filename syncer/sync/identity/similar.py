"""Records that somebody may choose from: those that look like a person's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer.salesforce import soql
from syncer.salesforce.client import Subrequest
from syncer.salesforce.errors import SalesforceError
from syncer.salesforce.ids import object_of
from syncer.sync.context import Context
from syncer.sync.fields.object_map import ObjectMap
from syncer.sync.identity.candidates import SHOWN, askable, owners, shown_row

#: What makes two records look alike: all the fields of one of these groups are equal.
ALIKE = ({"Email": "email"}, {"Phone": "phone"}, {"FirstName": "first_name", "LastName": "last_name"})
#: Records shown to choose from, of each object, for all the persons of one call.
MOST_SIMILAR = 200


@dataclass(frozen=True, slots=True)
class FoundAsDuplicate:
    """What is known of a person whose create was refused as a duplicate."""

    values: Mapping[str, Any]  # that were refused
    named: Sequence[str]  # ids of records that the answer names


def similar(context: Context, persons: Mapping[int, FoundAsDuplicate]) -> dict[int, list[dict[str, Any]]]:
    """Return what a duplicate rule may have found, by person.

    The answer to a collection names no records, so those with the same e-mail address, telephone number or full name
    are looked for. One API call; what can't be read is left out: it only helps to decide.
    """
    requests = [
        Subrequest("GET", soql.query_path(text), sobject)
        for sobject, fields in context.maps.items()
        if (text := _query(fields, persons.values())) is not None
    ]
    if not requests:
        return {}
    try:
        answer, _ = context.ask(requests)
    except SalesforceError:
        return {}
    rows = [(r.reference, row) for r in requests for row in answer.rows(r.reference)]
    owned = owners(context, [row["Id"] for _, row in rows])
    found: dict[int, list[dict[str, Any]]] = {}
    for sobject, row in rows:
        shown = shown_row(sobject, row) | {"person": owned.get(row["Id"], (None, ""))[0]}
        for person_id, refused in persons.items():
            if row["Id"] in refused.named or (not refused.named and _is_like(row, refused.values)):
                found.setdefault(person_id, []).append(shown)
    return found


def _query(fields: ObjectMap, persons: Collection[FoundAsDuplicate]) -> str | None:
    """The query for records of one object: those that answers name, and those that look like the others' values."""
    known = [path for path in SHOWN[fields.object] if path in fields.asked]
    named = sorted({pk for person in persons for pk in person.named if object_of(pk) == fields.object})
    wanted = [soql.in_("Id", named)] if named else []
    wanted += [c for person in persons if not person.named and (c := _looks_like(known, person.values))]
    if not wanted:
        return None
    where = soql.and_(soql.or_(*wanted), fields.live)
    return soql.select(known, fields.object, where=where, limit=MOST_SIMILAR)


def _looks_like(known: Sequence[str], values: Mapping[str, Any]) -> str | None:
    conditions = [
        soql.and_(*(soql.equals(name, values[key]) for name, key in group.items()))
        for group in ALIKE
        if all(name in known and askable(values.get(key)) for name, key in group.items())
    ]
    return soql.or_(*conditions) if conditions else None


def _is_like(row: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return any(
        all(
            values.get(key) and str(row.get(name) or "").lower() == str(values[key]).lower()
            for name, key in group.items()
        )
        for group in ALIKE
    )

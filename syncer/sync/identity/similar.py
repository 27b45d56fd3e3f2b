"""Records that somebody may choose from: those that look like a person's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncer.salesforce import soql
from syncer.salesforce.client import Subrequest
from syncer.salesforce.errors import SalesforceError
from syncer.salesforce.ids import object_of
from syncer.sync.context import Context
from syncer.sync.identity.candidates import askable, owners

#: Fields by which somebody recognises a record in a list of them.
SHOWN = {
    "Lead": ("Id", "FirstName", "LastName", "Email", "Phone", "Company"),
    "Contact": ("Id", "FirstName", "LastName", "Email", "Phone", "Account.Name"),
}
#: Records shown to choose from, of each object, for all the persons of one call.
MOST_SIMILAR = 200


def similar(
    context: Context, persons: Mapping[int, tuple[Mapping[str, Any], Sequence[str]]]
) -> dict[int, list[dict[str, Any]]]:
    """What a duplicate rule may have found for persons: values that were refused, and the ids that the answer names.

    The answer to a collection names none, so records with the same e-mail address, telephone number or full name are
    looked for. One API call; what can't be read is left out: it only helps to decide.
    """
    if not persons:
        return {}
    ids = {record_id for _, named in persons.values() for record_id in named}
    requests = []
    for sobject, fields in context.maps.items():
        known = [path for path in SHOWN[sobject] if path in fields.select]
        wanted = [soql.in_("Id", group)] if (group := sorted(pk for pk in ids if object_of(pk) == sobject)) else []
        wanted += [c for values, named in persons.values() if not named and (c := _looks_like(known, values))]
        if wanted:
            where = soql.and_(soql.or_(*wanted), fields.live)
            text = soql.select(known, sobject, where=where, limit=MOST_SIMILAR)
            requests.append(Subrequest("GET", soql.query_path(text), sobject))
    if not requests:
        return {}
    try:
        answer, _ = context.ask(requests)
    except SalesforceError:
        return {}
    rows = [
        (r.reference, row) for r in requests if answer[r.reference].ok for row in answer[r.reference].body["records"]
    ]
    owned = owners(context, [row["Id"] for _, row in rows])
    found: dict[int, list[dict[str, Any]]] = {}
    for sobject, row in rows:
        shown = {
            "id": row["Id"],
            "object": sobject,
            "name": " ".join(part for name in ("FirstName", "LastName") if (part := row.get(name))),
            "email": row.get("Email") or "",
            "company": row.get("Company") or (row.get("Account") or {}).get("Name") or "",
            "person": owned.get(row["Id"], (None, ""))[0],
        }
        for person_id, (values, named) in persons.items():
            if row["Id"] in named or (not named and _is_like(row, values)):
                found.setdefault(person_id, []).append(shown)
    return found


#: What makes two records look alike: all the fields of one of these groups are equal.
ALIKE = ({"Email": "email"}, {"Phone": "phone"}, {"FirstName": "first_name", "LastName": "last_name"})


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

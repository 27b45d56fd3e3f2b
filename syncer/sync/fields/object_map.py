"""The mapped fields of an object as the engine uses them: which are read, how values cross, which rules they obey."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.db import models

from syncer.models import Direction, FieldMapping, Person, SyncUser
from syncer.salesforce import soql, values
from syncer.salesforce.describe import FieldDescribe, Names, ObjectDescribe
from syncer.salesforce.kinds import BadValue, kind_of
from syncer.salesforce.texts import MadeStorable
from syncer.sync.fields.state_country import partners
from syncer.sync.fields.synced_objects import CONSENT_FIELDS, FOLLOWED, SYNCED, Parent
from syncer.sync.merge import FieldRule, Value

PERSON_COLUMNS: dict[str, models.Field[Any, Any]] = {
    field.name: field
    for field in Person._meta.concrete_fields
    if field.name not in Person.BOOKKEEPING and field.name != "custom"
}
#: What every query for records asks for.
ROW = ("Id", "SystemModstamp")
#: Digits of a whole number that both databases hold.
LONGEST_NUMBER = 18


class NotTold(Exception):
    """An answer does not tell a value, which is no empty one: it is left out, or the record that it is read through is
    hidden."""


def told(record: object, name: str) -> Any:
    """The value that a record of an answer has under this API name, in whatever case of its letters. Raises NotTold."""
    if not isinstance(record, Mapping):
        raise NotTold(name)
    if name in record:
        return record[name]
    wanted = name.lower()
    for key, value in record.items():
        if key.lower() == wanted:
            return value
    raise NotTold(name)


@dataclass(frozen=True, slots=True)
class MappedField:
    """One mapped field: where its value is on either side, and the rule of its merge."""

    person_field: str
    salesforce_field: str  # may be a path such as Account.Name
    describe: FieldDescribe
    rule: FieldRule
    createable: bool
    parent: Parent | None  # the record that it is received from, where that is another one

    @property
    def is_column(self) -> bool:
        return self.person_field in PERSON_COLUMNS

    def there(self, record: Mapping[str, Any]) -> Value:
        """The canonical value in a record as Salesforce answered it. Raises ``BadValue`` and ``NotTold``."""
        return values.from_wire(self.describe, self.raw(record))

    def raw(self, record: Mapping[str, Any]) -> Any:
        """What Salesforce answered. Raises ``NotTold`` where it did not tell it at all: that is unknown, not empty."""
        if self.parent is None:
            return told(record, self.salesforce_field)
        if self.parent.is_hidden_in(record):
            raise NotTold(self.salesforce_field)
        related = told(record, self.parent.relationship)
        return None if related is None else told(related, self.path_in_parent)

    @property
    def path_in_parent(self) -> str:
        """The name of the field on the record that it is received from."""
        return self.salesforce_field.rpartition(".")[2]

    def here(self, person: Mapping[str, Any]) -> Value:
        """The canonical value in a person's columns. Raises ``BadValue`` for what Salesforce's type can't hold."""
        raw = person[self.person_field] if self.is_column else person["custom"].get(self.person_field)
        return values.from_text(self.describe, raw)

    def to_column(self, value: Value) -> Any:
        """A canonical value as it is stored on the person. Raises ``BadValue`` when the column can't hold it."""
        if not self.is_column:
            return value
        column = PERSON_COLUMNS[self.person_field]
        if isinstance(column, models.BooleanField):
            return _to_checkbox(self, value)
        if isinstance(column, models.IntegerField):
            return _to_whole_number(self, value)
        return _to_text(self, value, column.max_length)

    def to_wire(self, value: Value) -> Any:
        return values.to_wire(self.describe, value)


def _to_checkbox(field: MappedField, value: Value) -> bool | None:
    if isinstance(value, str):
        raise BadValue(field.describe, value, "is not a checkbox value")
    return value


def _to_whole_number(field: MappedField, value: Value) -> int | None:
    if value is None:
        return None
    whole, _, fraction = str(value).partition(".")
    digits = whole.lstrip("-")
    if isinstance(value, bool) or not digits.isdigit() or fraction.strip("0") or len(digits) > LONGEST_NUMBER:
        raise BadValue(field.describe, value, "is not a whole number that can be stored here")
    return int(whole)


def _to_text(field: MappedField, value: Value, longest: int | None) -> str:
    text = "" if value is None else str(value)
    if longest and len(text) > longest:
        raise BadValue(field.describe, value, f"is longer than the {longest} characters that are stored here")
    return text


@dataclass(frozen=True, slots=True)
class Bears:
    """What Salesforce was found to bear in one query: ``most`` mapped fields at a time (None: all), not ``without``."""

    most: int | None = None
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ObjectMap:
    """All mapped fields of one object that the sync user can see, and what queries have to ask for.

    ``select``: what a query for records asks for: what the engine itself reads (``base``), and as many mapped fields as
    Salesforce bears in one (``most``; None: no limit is known). ``rest``: what is asked for behind it, by id
    (``pull.rest_of_rows``), in as many queries.
    """

    object: str
    fields: tuple[MappedField, ...]
    base: tuple[str, ...]
    most: int | None
    select: tuple[str, ...]
    rest: tuple[tuple[str, ...], ...]
    external_id_field: str | None  # the unique external id that carries the person's UUID, when there is one
    together: Mapping[str, str]  # a state and its country, where they are picklists

    @property
    def rules(self) -> tuple[FieldRule, ...]:
        return tuple(field.rule for field in self.fields)

    @property
    def live(self) -> str | None:
        """The condition of a record that did not become another one; None where that can't be asked for."""
        checkbox = SYNCED[self.object].ends_as
        return soql.equals(checkbox, False) if checkbox in self.select else None

    @property
    def asked(self) -> frozenset[str]:
        """Everything that is asked for, in however many queries."""
        return frozenset(self.select).union(*self.rest)

    def field(self, person_field: str) -> MappedField | None:
        return next((f for f in self.fields if f.person_field == person_field), None)

    def only(self, salesforce_fields: Iterable[str]) -> ObjectMap:
        """The map of these fields alone."""
        wanted = {name.lower() for name in salesforce_fields}
        fields = tuple(f for f in self.fields if f.salesforce_field.lower() in wanted)
        # By its id, a parent is followed from then on.
        parents = (SYNCED[self.object].parent_of(f.salesforce_field) for f in fields)
        base = tuple(dict.fromkeys([*ROW, *(parent.reference for parent in parents if parent is not None)]))
        return replace(self, fields=fields, base=base).bearing(Bears(self.most))

    def bearing(self, bears: Bears) -> ObjectMap:
        """The map with queries that Salesforce bears."""
        fields = tuple(f for f in self.fields if f.salesforce_field not in bears.without)
        most = bears.most if self.most is None else min(self.most, bears.most or self.most)
        select, rest = _queries(self.base, fields, most)
        return replace(self, fields=fields, most=most, select=select, rest=rest)

    def named(self, salesforce_fields: Iterable[str]) -> set[str]:
        """The person fields of these fields, as an answer names them."""
        wanted = {name.lower() for name in salesforce_fields}
        return {f.person_field for f in self.fields if f.salesforce_field.lower() in wanted}

    def there(self, record: Mapping[str, Any]) -> dict[str, Value]:
        """The record's values by person field; a value that can't be read or is not told is left out, and so not
        touched."""
        return self.read(record)[0]

    def read(self, record: Mapping[str, Any]) -> tuple[dict[str, Value], frozenset[str]]:
        """As ``there``, and which of the values were made storable: in Salesforce they are otherwise."""
        found: dict[str, Value] = {}
        altered: set[str] = set()
        for field in self.fields:
            try:
                raw = field.raw(record)
                found[field.person_field] = values.from_wire(field.describe, raw)
            except (BadValue, NotTold):
                continue
            if isinstance(raw, MadeStorable):
                altered.add(field.person_field)
        return found, frozenset(altered)

    def out_of_sight(self, record: Mapping[str, Any]) -> frozenset[str]:
        """The person fields that are read through a reference to a record that the sync user can't see."""
        return frozenset(f.person_field for f in self.fields if f.parent is not None and f.parent.is_hidden_in(record))

    def external_id(self, record: Mapping[str, Any]) -> str:
        """The person's UUID on a record; empty where there is none, or it was not asked for."""
        if self.external_id_field is None:
            return ""
        try:
            found = told(record, self.external_id_field)
        except NotTold:
            return ""
        return found if isinstance(found, str) else ""

    def here(self, person: Mapping[str, Any]) -> tuple[dict[str, Value], dict[str, BadValue]]:
        """The person's values by field, and the fields whose value is none that Salesforce's type can hold."""
        found: dict[str, Value] = {}
        bad: dict[str, BadValue] = {}
        for field in self.fields:
            try:
                found[field.person_field] = field.here(person)
            except BadValue as error:
                bad[field.person_field] = error
        return found, bad


def received_columns(
    person_values: Mapping[str, Any], fields: ObjectMap, received: Mapping[str, Value]
) -> dict[str, Any]:
    """What to write on a person for values received: columns by name and, if any custom field changed, ``custom``.

    Raises ``BadValue`` when a column can't hold a value.
    """
    columns: dict[str, Any] = {}
    custom: dict[str, Any] | None = None
    for name, value in received.items():
        field = fields.field(name)
        if field is None:
            continue
        if field.is_column:
            columns[name] = field.to_column(value)
            continue
        custom = dict(person_values["custom"]) if custom is None else custom
        if value is None:
            custom.pop(name, None)
        else:
            custom[name] = value
    if custom is not None:
        columns["custom"] = custom
    return columns


def object_map(sync_user: SyncUser, sobject: str) -> ObjectMap:
    """The map of an object from its stored mappings and describe."""
    stored = sync_user.described.filter(name=sobject).first()
    known = ObjectDescribe.from_dict(stored.description).fields if stored else Names[FieldDescribe]()
    mappings = sync_user.mappings.filter(object=sobject, enabled=True, readable=True, problem="")
    fields = tuple(mapped_field(sync_user, mapping) for mapping in mappings)
    external = known.get(sync_user.external_id_field)
    usable = external is not None and external.external_id and external.unique and external.createable
    base = _base(sobject, known, external.name if external else None, unseen_objects(sync_user))
    most = stored.fields_a_query if stored else None
    select, rest = _queries(base, fields, most)
    return ObjectMap(
        object=sobject,
        fields=fields,
        base=base,
        most=most,
        select=select,
        rest=rest,
        external_id_field=external.name if external and usable else None,
        together=partners(known, {f.salesforce_field: f.person_field for f in fields if f.rule.send}),
    )


def mapped_field(sync_user: SyncUser, mapping: FieldMapping) -> MappedField:
    describe = FieldDescribe.from_dict(mapping.described)
    return MappedField(
        person_field=mapping.person_field,
        salesforce_field=mapping.salesforce_field,
        describe=describe,
        createable=mapping.createable and mapping.direction != Direction.RECEIVE,
        parent=SYNCED[mapping.object].parent_of(mapping.salesforce_field),
        rule=FieldRule(
            field=mapping.person_field,
            receive=mapping.direction != Direction.SEND,
            send=mapping.updateable and mapping.direction != Direction.RECEIVE,
            winner=mapping.winner or sync_user.winner_for(mapping.object),
            keep_filled=mapping.keep_filled,
            boolean=kind_of(describe).family == "boolean",
            unfilled=not mapping.filled,
            consent=mapping.person_field in CONSENT_FIELDS,
            as_of_now=partial(values.as_of_now, describe),
        ),
    )


def unseen_objects(sync_user: SyncUser) -> set[str]:
    """The related objects that Salesforce does not show to the sync user: their description is kept, empty."""
    return set(sync_user.described.filter(name__in=FOLLOWED).values_list("name", flat=True))


def _base(
    sobject: str, known: Mapping[str, FieldDescribe], external_id: str | None, unseen: Container[str]
) -> tuple[str, ...]:
    """What the engine itself reads of a record, where the sync user may see it."""
    synced = SYNCED[sobject]
    seen = [parent for parent in synced.parents if parent.reference in known and parent.object not in unseen]
    names = [*ROW]
    names += [name for name in synced.system_fields if name in known]
    names += [path for parent in seen for path in parent.paths]
    names += [external_id] if external_id else []
    return tuple(dict.fromkeys(names))


def _queries(
    base: tuple[str, ...], fields: Iterable[MappedField], most: int | None
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """What the first query asks for, and what the others do: formulas, which make a query complicated, come last. Where
    Salesforce bears one field at a time, the first query has none."""
    in_order = sorted(fields, key=lambda field: field.describe.calculated)
    names = [name for name in dict.fromkeys(f.salesforce_field for f in in_order) if name not in base]
    if most is None or len(names) <= most:
        return (*base, *names), ()
    first = most if most > 1 else 0
    rest = tuple((*ROW, *names[start : start + most]) for start in range(first, len(names), most))
    return (*base, *names[:first]), rest

"""Who saves, and under which headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.clock import wire_datetime
from sandbox.errors import not_found
from sandbox.org_data import OrgData
from sandbox.schema.catalog import View
from sandbox.schema.sobject import SObject
from sandbox.settings import Settings
from sandbox.store.database import Database
from sandbox.users import SALES_USER


@dataclass(frozen=True, slots=True)
class SaveOptions:
    """The headers that change how a record is saved.

    ``assignment`` is TRUE, FALSE or the id of a rule. The header missing means TRUE: lead assignment rules run
    (REST API Developer Guide, "Assignment Rule Header").
    """

    assignment: str = "TRUE"
    allow_duplicates: bool = False
    include_record_details: bool = False

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> SaveOptions:
        """Read ``Sforce-Auto-Assign`` and ``Sforce-Duplicate-Rule-Header``."""
        given = headers.get("sforce-auto-assign", "TRUE").strip()
        options = {}
        for part in headers.get("sforce-duplicate-rule-header", "").replace(";", ",").split(","):
            name, _, value = part.partition("=")
            options[name.strip().lower()] = value.strip().lower() == "true"
        return cls(
            assignment=given.upper() if given.upper() in ("TRUE", "FALSE") else given,
            allow_duplicates=options.get("allowsave", False),
            include_record_details=options.get("includerecorddetails", False),
        )


@dataclass(frozen=True, slots=True)
class Saver:
    """One user's save: the organisation's data, the user's view of it and the options."""

    data: OrgData
    user_id: str
    options: SaveOptions = SaveOptions()
    locked_ids: frozenset[str] = frozenset()
    late_seconds: float | None = None
    lock_status: int = 500

    @classmethod
    def on_page(cls, data: OrgData) -> Saver:
        """The second user, who works in the organisation's own pages."""
        return cls(data, SALES_USER, SaveOptions(assignment="FALSE", allow_duplicates=True))

    @property
    def database(self) -> Database:
        """Where the records are."""
        return self.data.database

    @property
    def settings(self) -> Settings:
        """The organisation's rules and switches."""
        return self.data.settings

    @property
    def view(self) -> View:
        """The objects and fields that the user may see and change."""
        return self.data.catalog.view(self.user_id)

    def whole(self, name: str) -> SObject:
        """The object with every field, whatever the user may see."""
        return self.data.catalog.objects[name]

    def object(self, name: str) -> SObject:
        """The object of this name as the user sees it; NOT_FOUND if there is none."""
        found = self.view.object(name)
        if found is None:
            raise not_found()
        return found

    def stamp(self) -> str:
        """The time that this save writes, as the wire shows it."""
        return wire_datetime(self.data.clock.now())

    def hides(self, record_id: str) -> bool:
        """Whether sharing keeps the record from the user."""
        return self.data.is_hidden(self.user_id, record_id)

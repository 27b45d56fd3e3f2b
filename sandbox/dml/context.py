"""Who saves, and under which headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import SalesforceError
from sandbox.schema.catalog import View
from sandbox.schema.sobject import SObject

if TYPE_CHECKING:
    from sandbox.org import Org


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
    """One user's save: the organisation, the user's view of it and the options."""

    org: Org
    user_id: str
    options: SaveOptions = SaveOptions()
    locked_ids: frozenset[str] = frozenset()
    late_seconds: float | None = None
    lock_status: int = 500

    @property
    def view(self) -> View:
        """The objects and fields that the user may see and change."""
        return self.org.catalog.view(self.user_id)

    def whole(self, name: str) -> SObject:
        """The object with every field, whatever the user may see."""
        return self.org.catalog.objects[name]

    def object(self, name: str) -> SObject:
        """The object of this name as the user sees it; NOT_FOUND if there is none."""
        found = self.view.object(name)
        if found is None:
            raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")
        return found

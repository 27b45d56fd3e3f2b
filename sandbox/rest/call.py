"""One call of the REST API: who calls, in which version, with which headers."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.dml.context import SaveOptions, Saver
from sandbox.errors import SalesforceError, not_found
from sandbox.faults import Struck
from sandbox.org import Org
from sandbox.schema.catalog import View
from sandbox.schema.sobject import SObject
from sandbox.sessions import Session
from sandbox.soql.scope import Reader
from sandbox.wire import Request


@dataclass(slots=True)
class Call:
    """A request with a session, below ``/services/data/vXX.X``."""

    org: Org
    request: Request
    session: Session
    version: str
    rest: list[str]
    struck: Struck = field(default_factory=Struck)
    inside_composite: bool = False
    #: of the Composite request that this is a part of
    all_or_none: bool = False

    @property
    def base(self) -> str:
        """The path that every resource of this version begins with."""
        return f"/services/data/v{self.version}"

    @property
    def view(self) -> View:
        """The schema as the caller sees it."""
        return self.org.catalog.view(self.session.user_id)

    def reader(self, *, deleted_too: bool = False) -> Reader:
        """How the caller reads."""
        return self.org.reader(self.session.user_id, self.version, deleted_too=deleted_too)

    def saver(self) -> Saver:
        """How the caller saves."""
        lock = self.struck.first("lock")
        return Saver(
            self.org,
            self.session.user_id,
            SaveOptions.from_headers(self.request.headers),
            self.struck.locked_ids,
            self.struck.late_seconds,
            lock.status if lock else 500,
        )

    def object(self, name: str) -> SObject:
        """The object of this name; NOT_FOUND if the caller has none."""
        found = self.view.object(name)
        if found is None:
            raise not_found()
        return found

    def query(self, name: str) -> str:
        """A query parameter that must be there."""
        value = self.request.query.get(name)
        if value is None:
            raise SalesforceError(
                400, "MALFORMED_QUERY" if name == "q" else "MISSING_ARGUMENT", f"Missing required parameter: {name}"
            )
        return value

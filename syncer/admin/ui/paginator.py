"""Pages of lists that may have millions of rows: counting must not cost more than the page."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.utils.functional import cached_property

from syncer.admin.ui.typed import AnyPaginator

#: Beyond this nobody pages; the number of matches is not counted further.
MOST = 10_000


class CappedPaginator(AnyPaginator):
    """Counts at most MOST + 1 rows, and offers pages for the first MOST. Without a filter the count of the whole
    table is estimated by PostgreSQL (its statistics) and exact on SQLite (fast there)."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        if not hasattr(rows, "query"):
            return len(rows)
        if not rows.query.where:
            return self._whole_table(rows)
        return int(rows.order_by()[: MOST + 1].count())

    def _whole_table(self, rows: Any) -> int:
        connection = connections[rows.db]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [rows.model._meta.db_table]
                )
                estimate = int(cursor.fetchone()[0])
            if estimate > MOST:
                return estimate
        return int(rows.order_by().count())

    @cached_property
    def num_pages(self) -> int:
        if self.count == 0:
            return 1 if self.allow_empty_first_page else 0
        return -(-min(self.count, MOST) // int(self.per_page))

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than the pages show."""
        return self.count > MOST

    @property
    def count_text(self) -> str:
        """The number of rows as it can be said."""
        rows: Any = self.object_list
        if self.is_capped and hasattr(rows, "query") and rows.query.where:
            return f"more than {MOST:,}"
        about = "about " if self.is_capped and connections[rows.db].vendor == "postgresql" else ""
        return f"{about}{self.count:,}"

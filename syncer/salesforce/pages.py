"""A page of a query: the one place that reads it.

Where a query asked for Id, a row without a well-formed one is no row that anything could be done with: it is left out
here and counted, so that nobody behind this has to look again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncer.salesforce.ids import to_18
from syncer.salesforce.soql import asks_for_id

#: Longest path that is followed; Salesforce's have some eighty characters.
LONGEST_PATH = 2_000


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a query. ``next_url`` leads to the next one; ``total`` counts all rows of the query, as far as
    Salesforce says so.

    ``records``: the rows; each has an Id of 18 characters, if the query asked for it. ``nameless``: where rows without
    one stood, as the number of records before each. ``soql`` and ``deleted``: the query, where it is known.
    """

    records: list[dict[str, Any]]
    next_url: str | None
    total: int
    asked_at: datetime
    nameless: tuple[int, ...] = ()
    soql: str = ""
    deleted: bool = False


def parse_page(body: object, asked_at: datetime, soql: str = "", *, deleted: bool = False) -> Page:
    """The page in an answer's body; ``soql``: the query, for its first page. ValueError, with the end of a sentence, if
    there is none."""
    named = not soql or asks_for_id(soql)
    if not isinstance(body, Mapping) or not isinstance(body.get("records"), list):
        raise ValueError("it holds no records")
    done, next_url = body.get("done", True), body.get("nextRecordsUrl")
    if not isinstance(done, bool):
        raise ValueError("it does not say whether there are more rows")
    if next_url is not None and not is_path_of_page(next_url):
        raise ValueError("the next page is nowhere in this organisation")
    if not done and not next_url:
        raise ValueError("more rows are announced, but not where")
    records: list[dict[str, Any]] = []
    nameless: list[int] = []
    for row in body["records"]:
        try:
            if named:
                row["Id"] = to_18(row["Id"])
            elif not isinstance(row, dict):
                raise TypeError
        except (TypeError, KeyError, ValueError):
            nameless.append(len(records))
        else:
            records.append(row)
    total = body.get("totalSize")
    known = total if isinstance(total, int) and total >= len(records) else len(records)
    return Page(records, next_url, known, asked_at, tuple(nameless), soql, deleted)


def is_path_of_page(url: object) -> bool:
    """Whether it is an absolute path below the API's, so that our token goes nowhere else: ``@evil.example/x`` would
    make our host a user name of another one."""
    if not isinstance(url, str) or not url.startswith("/services/data/") or len(url) > LONGEST_PATH:
        return False
    return url.isascii() and not set(url) & set(" \\#\r\n\t")

"""The pages and rows of a query's answer, followed to their end whatever becomes of the list meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from syncer.salesforce.client import Answer, Page
from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.errors import ListLost, Recovery, Refused, Unavailable, policy_for
from syncer.sync.context import Context
from syncer.sync.errors import FieldsChanged, TooMuchAsked
from syncer.sync.persons.record import Reading

#: Record ids in one condition, so that a query stays well below SOQL's 100,000 characters.
IDS_A_QUERY = 500
#: Rows that a query may bring beyond those that it announced: some are made while it is read.
MORE_THAN_ANNOUNCED = 2_000
#: Pages in a row without any row.
EMPTY_PAGES = 10
#: Times that a whole query is asked anew because its list was lost.
WHOLE_TRIES = 3


def first_page(answer: Answer, reference: str) -> Page:
    """The page that answers a query inside a Composite call. Raises FieldsChanged when the query was refused for one of
    its fields, or its object: access was taken away, or it is gone. Raises Refused for any other refusal, Unavailable
    for an answer that is no page."""
    response = answer[reference]
    if (error := response.error()) is not None:
        with field_errors():
            raise Refused(error.message, code=error.code, http_status=response.status, fields=error.fields)
    if response.page is None:
        raise Unavailable(f"The answer to a query can't be used: {response.problem}.", code=EdgeCode.BAD_ANSWER)
    return response.page


def pages(
    context: Context,
    first: Page,
    reading: Reading,
    ask_anew: Callable[[], tuple[Page, Reading]] | None = None,
) -> Iterator[tuple[Page, Reading]]:
    """The pages of a query, one after the other, each with the reading that it belongs to: wide records come in short
    ones. All pages of a list belong to the reading of its first one: which rows they hold was settled then.

    ``ask_anew``: asks for what is behind the last row that was taken, when the list is lost. Raises ListLost when there
    is no such way, or when it brings nothing new.
    """
    lost_behind: set[str] = set()
    while True:
        last = ""
        try:
            for page in _list(context, first):
                yield page, reading
                last = page.records[-1]["Id"] if page.records else last
            return
        except ListLost:
            if ask_anew is None or not last or last in lost_behind:
                raise
        lost_behind.add(last)
        first, reading = ask_anew()


def _list(context: Context, first: Page) -> Iterator[Page]:
    """The pages of one list. One that names itself, or an earlier one, as the next would be followed for ever: raises
    ListLost when the pages lead nowhere."""
    page, seen, rows, empty = first, {first.next_url}, 0, 0
    while True:
        rows += len(page.records) + len(page.nameless)
        empty = 0 if page.records else empty + 1
        yield page
        if not page.next_url:
            return
        if empty > EMPTY_PAGES or rows > first.total + MORE_THAN_ANNOUNCED:
            break
        with field_errors():
            page = context.query_more(page.next_url)
        if page.next_url in seen:
            break
        if page.next_url:
            seen.add(page.next_url)
    raise ListLost("The pages of a query lead nowhere: the same rows come again.", code=EdgeCode.BAD_ANSWER)


class Rows(list[dict[str, Any]]):
    """All rows of a query. ``nameless``: how many more there were, without a readable Id."""

    def __init__(self, found: Iterable[Page]) -> None:
        of_pages = list(found)
        super().__init__(row for page in of_pages for row in page.records)
        self.nameless = sum(len(page.nameless) for page in of_pages)


def all_rows(context: Context, first: Page) -> Rows:
    """The rows of all pages. A query whose list is lost is asked anew as a whole."""
    tries_left = WHOLE_TRIES
    while True:
        try:
            return Rows(_list(context, first))
        except ListLost:
            tries_left -= 1
            if not tries_left:
                raise
        with field_errors():
            first = context.query(first.soql, deleted=first.deleted)[0]


@contextmanager
def field_errors() -> Iterator[None]:
    """A query refused for one of its fields raises FieldsChanged: access was taken away, or the field is gone. One
    that asks for too much raises TooMuchAsked, which is one of those."""
    try:
        yield
    except Refused as error:
        if policy_for(error.code).recovery is Recovery.REFRESH_FIELDS:
            raise FieldsChanged from error
        if policy_for(error.code).recovery is Recovery.ASK_LESS:
            raise TooMuchAsked(error) from error
        raise

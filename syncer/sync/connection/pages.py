"""The pages and rows of a query's answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from syncer.salesforce.client import Answer, Page
from syncer.salesforce.errors import Recovery, Refused, policy_for
from syncer.sync.context import Context
from syncer.sync.errors import FieldsChanged


def first_page(answer: Answer, reference: str) -> Page:
    """The page that answers a query inside a Composite call. Raises FieldsChanged when the query was refused for one of
    its fields, or its object: access was taken away, or it is gone. Raises Refused for anything else."""
    response = answer[reference]
    if (error := response.error()) is not None:
        with field_errors():
            raise Refused(error.message, code=error.code, http_status=response.status, fields=error.fields)
    body = response.body
    return Page(body["records"], body.get("nextRecordsUrl"), int(body["totalSize"]), answer.asked_at)


def pages(context: Context, first: Page) -> Iterator[Page]:
    """The pages of a query, one after the other: wide records come in short ones."""
    page = first
    yield page
    while page.next_url:
        with field_errors():
            page = context.query_more(page.next_url)
        yield page


def all_rows(context: Context, first: Page) -> list[dict[str, Any]]:
    """The rows of all pages."""
    return [row for page in pages(context, first) for row in page.records]


@contextmanager
def field_errors() -> Iterator[None]:
    """A query refused for one of its fields raises FieldsChanged: access was taken away, or the field is gone."""
    try:
        yield
    except Refused as error:
        if policy_for(error.code).recovery is Recovery.REFRESH_FIELDS:
            raise FieldsChanged from error
        raise

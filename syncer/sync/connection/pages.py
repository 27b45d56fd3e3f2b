"""The pages and rows of a query's answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from syncer.salesforce.client import Page
from syncer.salesforce.errors import Recovery, Refused, policy_for
from syncer.sync.context import Context
from syncer.sync.errors import FieldsChanged


def all_rows(context: Context, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of an answer to a query, its further pages included: wide records come in short pages."""
    rows, next_url = list(body["records"]), body.get("nextRecordsUrl")
    while next_url:
        page = context.org.query_more(next_url)
        rows += page.records
        next_url = page.next_url
    return rows


@contextmanager
def field_errors() -> Iterator[None]:
    """A query refused for one of its fields raises FieldsChanged: access was taken away, or the field is gone."""
    try:
        yield
    except Refused as error:
        if policy_for(error.code).recovery is Recovery.REFRESH_FIELDS:
            raise FieldsChanged from error
        raise


def pages(context: Context, first: Page) -> Iterator[Page]:
    page = first
    yield page
    while page.next_url:
        context.checkpoint()
        with field_errors():
            page = context.org.query_more(page.next_url)
        context.checkpoint()
        yield page

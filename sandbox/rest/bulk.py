"""The resources ``jobs/ingest`` and ``jobs/query`` of Bulk API 2.0."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.bulk import ingest, query
from sandbox.bulk.csvtext import DELIMITERS, LINE_ENDINGS
from sandbox.bulk.ingest import IngestJob
from sandbox.bulk.job import ABORTED, COMPLETE, OPEN, UPLOADED, Job
from sandbox.bulk.query import QueryJob
from sandbox.dml.save import lookup_field
from sandbox.errors import SalesforceError
from sandbox.rest.call import Call
from sandbox.wire import Response

CSV = "text/csv; charset=UTF-8"
MAX_UPLOAD = 100 * 1024 * 1024
_PAGE = 50_000
_PARALLEL_PAGES = 5
_KINDS = {"successfulresults": "successful", "failedresults": "failed", "unprocessedrecords": "unprocessed"}


def _invalid(message: str, code: str = "INVALIDJOB") -> SalesforceError:
    return SalesforceError(400, code, message)


def _job_options(body: dict[str, Any]) -> tuple[str, str]:
    delimiter, ending = str(body.get("columnDelimiter", "COMMA")), str(body.get("lineEnding", "LF"))
    if delimiter not in DELIMITERS or ending not in LINE_ENDINGS:
        raise _invalid(f"columnDelimiter or lineEnding is unknown: {delimiter}, {ending}")
    if body.get("contentType", "CSV") != "CSV":
        raise _invalid(f"contentType must be CSV, not {body['contentType']}")
    return delimiter, ending


def create_ingest(call: Call) -> Response:
    """POST /jobs/ingest."""
    body = call.request.json_object()
    operation = str(body.get("operation", ""))
    if operation not in ingest.OPERATIONS:
        raise _invalid(f"Unable to find operation: {operation}", "INVALIDOPERATION")
    item = call.view.object(str(body.get("object", "")))
    if item is None:
        raise _invalid(f"Unable to find object: {body.get('object')}", "INVALIDENTITY")
    allowed = {"insert": item.createable, "update": item.updateable, "upsert": item.createable and item.updateable}
    if not allowed.get(operation, item.deletable):
        raise _invalid(f"Entity '{item.name}' does not support {operation}", "INVALIDENTITY")
    external = body.get("externalIdFieldName")
    if operation == "upsert":
        if not external:
            raise _invalid("External ID was blank for an upsert job. An external ID must be specified.")
        lookup_field(item, str(external))
    delimiter, ending = _job_options(body)
    now = call.org.clock.now()
    jobs = call.org.bulk
    job = IngestJob(
        id=call.org.database.next_id("750"),
        operation=operation,
        object_name=item.name,
        version=call.version,
        user_id=call.session.user_id,
        created=now,
        changed=now,
        column_delimiter=delimiter,
        line_ending=ending,
        external_id_field=str(external) if external else None,
        assignment_rule=body.get("assignmentRuleId"),
        fail_after=jobs.fail_next_after,
        chance=call.org.random,
    )
    jobs.fail_next_after = None
    jobs.add(job)
    return Response.json(job.info())


def upload(call: Call, job: str) -> Response:
    """PUT /jobs/ingest/{id}/batches."""
    found = _ingest(call, job)
    if call.request.content_type != "text/csv":
        raise SalesforceError(415, "UNSUPPORTED_MEDIA_TYPE", "The content type must be text/csv")
    if found.state != OPEN or found.upload is not None:
        raise _invalid(
            f"Found multiple contents for job: <{found.id}>, please 'Close' / 'Abort' / 'Delete' the current Job"
        )
    content = call.request.content()
    if len(content) > MAX_UPLOAD:
        raise SalesforceError(413, "REQUEST_TOO_LARGE", "The upload is larger than 100 MB")
    found.take(content)
    return Response.empty(201)


def _ingest(call: Call, job_id: str) -> IngestJob:
    job = call.org.bulk.find(job_id, IngestJob)
    assert isinstance(job, IngestJob)  # find() has checked
    return job


def _query(call: Call, job_id: str) -> QueryJob:
    job = call.org.bulk.find(job_id, QueryJob)
    assert isinstance(job, QueryJob)  # find() has checked
    return job


def ingest_info(call: Call, job: str) -> Response:
    """GET /jobs/ingest/{id}."""
    found = _ingest(call, job)
    call.org.bulk.look(found)
    return Response.json(found.info())


def query_info(call: Call, job: str) -> Response:
    """GET /jobs/query/{id}."""
    found = _query(call, job)
    call.org.bulk.look(found)
    return Response.json(found.info())


def change_ingest(call: Call, job: str) -> Response:
    """PATCH /jobs/ingest/{id} with the state UploadComplete or Aborted."""
    found, state = _ingest(call, job), _wanted_state(call)
    if state == UPLOADED and found.state == OPEN:
        found.to(UPLOADED, call.org.clock.now())
        call.org.bulk.submit(found)
    elif state == ABORTED and not found.ended:
        call.org.bulk.abort(found)
    else:
        raise _invalid(f"Transition from state {found.state} to {state} is not allowed", "INVALIDJOBSTATE")
    return Response.json(found.info())


def change_query(call: Call, job: str) -> Response:
    """PATCH /jobs/query/{id} with the state Aborted."""
    found, state = _query(call, job), _wanted_state(call)
    if state != ABORTED or found.ended:
        raise _invalid(f"Transition from state {found.state} to {state} is not allowed", "INVALIDJOBSTATE")
    call.org.bulk.abort(found)
    return Response.json(found.info())


def _wanted_state(call: Call) -> str:
    return str(call.request.json_object().get("state"))


def delete_ingest(call: Call, job: str) -> Response:
    """DELETE /jobs/ingest/{id}."""
    return _delete(call, _ingest(call, job))


def delete_query(call: Call, job: str) -> Response:
    """DELETE /jobs/query/{id}."""
    return _delete(call, _query(call, job))


def _delete(call: Call, job: IngestJob | QueryJob) -> Response:
    if not job.ended:
        raise _invalid(f"Only a job in a final state can be deleted, this one is {job.state}", "INVALIDJOBSTATE")
    call.org.bulk.delete(job)
    return Response.empty()


def list_ingest(call: Call) -> Response:
    """GET /jobs/ingest."""
    return _list(call, IngestJob)


def list_query(call: Call) -> Response:
    """GET /jobs/query."""
    return _list(call, QueryJob)


def _list(call: Call, kind: type[Job]) -> Response:
    records = [job.info() for job in call.org.bulk.by_id.values() if isinstance(job, kind)]
    return Response.json({"done": True, "nextRecordsUrl": None, "records": records})


def _same_version(call: Call, job: Job) -> None:
    if job.version != call.version:
        message = f"The job was made with API version {job.version}; its results are read with the same version"
        raise SalesforceError(409, "API_VERSION_MISMATCH", message)


def ingest_result(call: Call, job: str, kind: str) -> Response:
    """GET /jobs/ingest/{id}/successfulResults, failedResults, unprocessedrecords."""
    found = _ingest(call, job)
    name = _KINDS.get(kind.lower())
    if name is None:
        raise SalesforceError(404, "NOT_FOUND", "The requested resource does not exist")
    _same_version(call, found)
    call.org.bulk.look(found)
    if not found.ended:
        raise _invalid(f"The job is not finished, it is {found.state}", "INVALIDJOBSTATE")
    return _csv(call, found.result(name).pieces(), {})


def create_query(call: Call) -> Response:
    """POST /jobs/query."""
    body = call.request.json_object()
    operation = str(body.get("operation", ""))
    if operation not in query.OPERATIONS:
        raise _invalid(f"Unable to find operation: {operation}", "INVALIDOPERATION")
    delimiter, ending = _job_options(body)
    now = call.org.clock.now()
    job = QueryJob(
        id=call.org.database.next_id("750"),
        operation=operation,
        object_name="",
        version=call.version,
        user_id=call.session.user_id,
        created=now,
        changed=now,
        column_delimiter=delimiter,
        line_ending=ending,
        soql=str(body.get("query", "")),
    )
    job.prepare(call.org)
    job.to(UPLOADED, now)
    call.org.bulk.add(job)
    call.org.bulk.submit(job)
    return Response.json(job.info())


def query_result(call: Call, job: str) -> Response:
    """GET /jobs/query/{id}/results?maxRecords=…&locator=…"""
    found, result = _finished(call, job)
    text = call.request.query.get("locator")
    first = query.place(text) if text and text != "null" else 0
    count = _count(call.request.query.get("maxRecords"))
    if first and first >= len(result):
        raise SalesforceError(400, "INVALID_QUERY_LOCATOR", f"invalid query locator: {text}")
    last = min(len(result), first + count)
    headers = {
        "Sforce-NumberOfRecords": str(last - first),
        "Sforce-Locator": query.locator(last) if last < len(result) else "null",
    }
    return _csv(call, result.pieces(first, count), headers)


def _finished(call: Call, job_id: str) -> tuple[QueryJob, Any]:
    found = _query(call, job_id)
    _same_version(call, found)
    call.org.bulk.look(found)
    if found.state != COMPLETE or found.result is None:
        raise _invalid(f"The job has no results, it is {found.state}", "INVALIDJOBSTATE")
    return found, found.result


def _count(text: str | None) -> int:
    if text is None:
        return _PAGE
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise _invalid(f"maxRecords must be a positive number, not {text}")
    return int(text)


def query_pages(call: Call, job: str) -> Response:
    """GET /jobs/query/{id}/resultPages: addresses of result pages to read in parallel (from v58)."""
    found, result = _finished(call, job)
    text = call.request.query.get("locator")
    start = query.place(text) if text else 0
    starts = list(range(start, max(1, len(result)), _PAGE))
    base = f"{call.base}/jobs/query/{found.id}"
    pages = [
        {"resultUrl": f"{base}/results?locator={query.locator(row)}&maxRecords={_PAGE}"}
        for row in starts[:_PARALLEL_PAGES]
    ]
    answer: dict[str, Any] = {"resultPages": pages, "done": len(starts) <= _PARALLEL_PAGES}
    if not answer["done"]:
        answer["nextRecordsUrl"] = f"{base}/resultPages?locator={query.locator(starts[_PARALLEL_PAGES])}"
    return Response.json(answer)


def _csv(call: Call, pieces: Iterable[bytes], headers: dict[str, str]) -> Response:
    """Streamed; compressed for every client that can read it ("Bulk API 2.0 always compresses")."""
    headers = {"Content-Type": CSV, **headers}
    if "gzip" in call.request.headers.get("accept-encoding", "").lower():
        return Response(200, b"", {**headers, "Content-Encoding": "gzip"}, _gzipped(pieces))
    return Response(200, b"", headers, pieces)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()

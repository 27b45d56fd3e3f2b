"""Codes of this room, for what Salesforce gave none of its own: no answer came, or an answer without a code."""

from __future__ import annotations

from enum import StrEnum


class EdgeCode(StrEnum):
    """Stands where one of Salesforce's codes would: in errors, in refusals, in logs."""

    UNKNOWN = "UNKNOWN"  # an error without a code
    CONFIGURATION = "CONFIGURATION"  # the connection's settings can't work
    SIGN_IN_REFUSED = "SIGN_IN_REFUSED"
    UNREACHABLE = "UNREACHABLE"  # no connection came about: certainly nothing was done
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"  # the request left, and no usable answer came
    TOO_LATE = "TOO_LATE"  # it did not leave: what was decided was too old by then
    UNAVAILABLE = "UNAVAILABLE"  # a passing fault that outlasted the tries
    CONNECTION_LOST = "CONNECTION_LOST"  # the same, while something was only read
    BAD_ANSWER = "BAD_ANSWER"  # an answer that is no JSON, or not what was asked for
    ANSWER_TOO_LARGE = "ANSWER_TOO_LARGE"  # more than is read of one answer, in small pages, too
    REFUSED = "REFUSED"
    BULK_JOB_FAILED = "BULK_JOB_FAILED"
    BULK_JOB_RUNNING = "BULK_JOB_RUNNING"  # it neither ends nor can be stopped

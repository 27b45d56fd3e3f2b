from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.salesforce.errors import POLICIES, Recovery, SalesforceError, explain, one_line, policy_for
from syncer.salesforce.rows import RowError

texts = st.text(max_size=60)


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("UNABLE_TO_LOCK_ROW", Recovery.RETRY_SOON),
        ("HTTP_503", Recovery.RETRY_SOON),
        ("HTTP_429", Recovery.RETRY_SOON),
        ("QUERY_LOCATOR_EXPIRED", Recovery.RETRY_SOON),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", Recovery.RETRY_LATER),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", Recovery.WAIT_FOR_CHANGE),
        ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", Recovery.WAIT_FOR_CHANGE),
        ("INSUFFICIENT_ACCESS_BUT_NEW", Recovery.WAIT_FOR_CHANGE),
        ("SOMETHING_NEW", Recovery.WAIT_FOR_CHANGE),
        ("INVALID_FIELD", Recovery.REFRESH_FIELDS),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", Recovery.REFRESH_FIELDS),
        ("ENTITY_IS_DELETED", Recovery.GONE),
        ("CANNOT_UPDATE_CONVERTED_LEAD", Recovery.GONE),
        ("INVALID_CROSS_REFERENCE_KEY", Recovery.GONE),
        ("REQUEST_LIMIT_EXCEEDED", Recovery.STOP_FOR_LIMIT),
        ("invalid_grant", Recovery.PAUSE),
        ("INVALID_LOGIN", Recovery.PAUSE),
    ],
)
def test_a_code_tells_what_happens_next(code: str, action: Recovery) -> None:
    assert policy_for(code).recovery is action


def said(code: str, sent: Mapping[str, object] | None = None, message: str = "", *fields: str, **more: object) -> str:
    error = RowError(code, message, fields, **more)  # type: ignore[arg-type]
    explanation = explain(error, sent or {}, {"FirstName": "First Name"}, {"FirstName": 40}, time="02:00")
    return f"{explanation.cause} | {explanation.remedy}"


def test_the_texts_name_fields_values_and_lengths() -> None:
    long = {"FirstName": "x" * 55}
    assert said("STRING_TOO_LONG", long, "", "FirstName").startswith(
        "First Name has 55 characters; Salesforce takes 40."
    )
    assert "takes 30." in said("STRING_TOO_LONG", long, "data value too large: x (max length=30)", "FirstName")
    assert said("REQUIRED_FIELD_MISSING", {}, "Required fields are missing: [LastName, FirstName]").startswith(
        "Salesforce needs LastName, First Name; they are empty here."
    )
    assert said("INVALID_EMAIL_ADDRESS", {"Email": "a@b"}, "", "Email").startswith(
        'Salesforce does not accept "a@b" as'
    )
    assert said("UNABLE_TO_LOCK_ROW").endswith("(next 02:00).")
    assert "(NEW_CODE)" in said("NEW_CODE")


def test_unknown_details_still_make_sentences() -> None:
    assert said("STRING_TOO_LONG").startswith("A field has too many characters; Salesforce takes fewer.")
    assert said("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST").startswith("The value is not allowed in a field.")


def test_only_places_speak_of_states_and_countries() -> None:
    holand = {"Country": "Holand", "Phone": "1"}
    assert '"Holand" is not in Salesforce\'s list' in said("FIELD_INTEGRITY_EXCEPTION", holand, "", "Country")
    assert "does not agree with other data" in said("FIELD_INTEGRITY_EXCEPTION", holand, "bad phone", "Phone")


def test_a_rule_that_only_warns_says_so() -> None:
    ids = ("00Q000000000001EAA", "00Q000000000002EAA")
    text = said("DUPLICATES_DETECTED", duplicates=ids, warn_only=True)
    assert text.startswith(f"A duplicate rule found 2 similar records: {', '.join(ids)}. It only warns people")


@given(
    st.sampled_from([*POLICIES, "NEW"]) | texts,
    texts,
    st.lists(texts),
    st.dictionaries(texts, st.none() | texts | st.integers()),
)
def test_explaining_never_fails(code: str, message: str, fields: list[str], sent: dict[str, object]) -> None:
    explanation = explain(RowError(code, message, tuple(fields)), sent | dict.fromkeys(fields, "{n}{boom}"))
    assert explanation.cause
    assert explanation.remedy


def test_every_text_is_filled() -> None:
    for code in POLICIES:
        assert "{" not in said(code)


def test_an_error_is_one_line_without_secrets() -> None:
    page = "<html><head><style>x{}</style><title>503</title></head>\n<body>Busy &amp; down</body></html>"
    assert one_line(page) == "503 Busy & down"
    assert one_line("the hunter2-long\n\tsecret\x00", ["hunter2-long", "hunter2"]) == "the *** secret"
    assert len(str(SalesforceError("x" * 10_000))) <= 600
    assert str(SalesforceError("a\nb")) == "a b"

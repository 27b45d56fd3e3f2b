"""The edge against the local organisation, in process: the whole way, nothing scripted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization

from sandbox.clock import Clock
from sandbox.inprocess import BASE_URL, mount
from sandbox.org import Org as Sandbox
from syncer.salesforce import kinds, soql, values, writing
from syncer.salesforce.caller import Timing
from syncer.salesforce.client import Org, Subrequest
from syncer.salesforce.describe import describe_request, parse_object
from syncer.salesforce.errors import (
    OutcomeUnknown,
    Refused,
    RequestLimitExceeded,
    SignInRefused,
    Unavailable,
)
from syncer.salesforce.ids import object_of
from syncer.salesforce.ways import Credentials
from tests.salesforce.test_signin import KEY, PEM

START = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
READ = [Subrequest("GET", soql.query_path("SELECT Id FROM Organization"), "read")]


class World:
    """The organisation, its time, and the edge in front of it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.naps: list[float] = []
        self.sandbox = Sandbox(clock=Clock(lambda: START + timedelta(seconds=self.seconds), self.sleep), seed=7)
        self.session = mount(requests.Session(), self.sandbox)
        self.org = self.sign_in(client_id="sandbox-client", client_secret="sandbox-secret")

    def sign_in(self, method: str = "client-credentials", **settings: str) -> Org:
        return Org(
            Credentials(method, BASE_URL, settings),
            self.session,
            timing=Timing(
                sleep=self.nap,
                now=lambda: START + timedelta(seconds=self.seconds),
                monotonic=lambda: self.seconds,
            ),
        )

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.sleep(seconds)

    def control(self, name: str, /, **given: Any) -> Any:
        answer = self.session.post(f"{BASE_URL}/sandbox/{name}", json=given)
        assert answer.ok, answer.text
        return answer.json()

    def fault(self, kind: str, **given: Any) -> None:
        self.control("faults", **{"route": "/services/data/", "kind": kind} | given)

    def counted(self) -> int:
        found: dict[str, int] = self.session.get(f"{BASE_URL}/sandbox/requests").json()
        return found["api_calls"]

    def create(self, **row: object) -> str:
        answer = self.org.composite(
            [writing.create("c", "Lead", [{"LastName": "Adams", "Company": "Acme"} | row])], safe=False
        )
        (result,) = writing.results(answer["c"])
        assert result.id is not None, result
        return result.id

    def read(self, record_id: str, *fields: str) -> dict[str, Any]:
        return self.org.query(soql.select(["Id", *fields], "Lead", soql.equals("Id", record_id))).records[0]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.session.close()
    made.sandbox.close()


def test_it_signs_in_and_knows_where_it_is(world: World) -> None:
    organisation = world.org.organisation()
    assert object_of(organisation.id) == "Organization"
    assert world.org.user_info().username == "sync@example.com"
    assert world.org.signed_in is not None
    assert world.org.signed_in.organisation_id == organisation.id


def test_it_signs_in_by_password(world: World) -> None:
    org = world.sign_in("password", username="sync@example.com", password="sandbox", security_token="token")
    assert org.user_info().username == "sync@example.com"


def test_it_signs_in_by_a_signed_assertion() -> None:
    sandbox = Sandbox(seed=7)  # with the machine's time, as the library's assertion has it
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with mount(requests.Session(), sandbox) as session:
        user = {"username": "sync@example.com", "certificates": [public.decode()]}
        assert session.post(f"{BASE_URL}/sandbox/users", json=user).ok
        credentials = Credentials(
            "jwt", BASE_URL, {"client_id": "sandbox-client", "username": "sync@example.com", "private_key": PEM}
        )
        assert Org(credentials, session).user_info().username == "sync@example.com"
    sandbox.close()


def test_a_wrong_secret_is_refused_once(world: World) -> None:
    with pytest.raises(SignInRefused, match="invalid client credentials") as caught:
        world.sign_in(client_id="sandbox-client", client_secret="wrong-secret").sign_in()
    assert caught.value.code == "invalid_client"
    assert world.naps == []


def test_a_wrong_password_is_refused_once(world: World) -> None:
    with pytest.raises(SignInRefused) as caught:
        world.sign_in("password", username="sync@example.com", password="nope", security_token="x").sign_in()
    assert caught.value.code == "INVALID_LOGIN"
    assert world.naps == []


def test_every_field_is_described_and_survives_its_way_there_and_back(world: World) -> None:
    lead = world.org.describe("Lead")
    there: dict[str, kinds.Canonical] = {
        "Lead_Score__c": "7",
        "Newsletter__c": True,
        "Renewal_Date__c": "2026-01-31",
        "Last_Visit__c": "2026-01-31T14:30:00Z",
        "Budget__c": "1234.50",
        "Notes__c": 'two\nlines, "quoted" שלום 🎉 it\'s @home',
        "Title": None,
    }
    row = {name: values.to_wire(lead.fields[name], value) for name, value in there.items()}
    record = world.read(world.create(**row), *there)
    back = {name: values.from_wire(lead.fields[name], record[name]) for name in there}
    assert back == there | {"Budget__c": values.from_wire(lead.fields["Budget__c"], Decimal("1234.50"))}
    last_name = lead.fields["LastName"]
    assert last_name.createable
    assert not last_name.nillable
    assert not last_name.defaulted_on_create
    assert lead.fields["Territory__c"].read_only
    assert "OwnerId" in lead.fields


def test_a_describe_that_did_not_change_is_not_sent_again(world: World) -> None:
    first = world.org.composite([describe_request("d", "Lead")], safe=True)["d"]
    lead = parse_object(first.body, first.header("Last-Modified"))
    world.sleep(5)
    again = world.org.composite([describe_request("d", "Lead", lead.last_modified)], safe=True)["d"]
    assert again.not_modified


def test_a_quiet_cycle_is_one_call(world: World) -> None:
    world.org.sign_in()
    before = world.counted()
    requests_ = [describe_request("d", "Lead"), *READ]
    answer = world.org.composite(requests_, safe=True)
    assert answer["read"].ok
    assert world.counted() - before == world.org.api_calls == 1
    assert world.org.api_usage is not None


def test_a_push_reads_writes_and_reads_in_one_call(world: World) -> None:
    one, two = world.create(Title="a"), world.create(Title="b")
    query = soql.query_path(soql.select(["Id", "Title"], "Lead", soql.in_("Id", [one, two]), "Id"))
    rows = [{"Id": one, "Title": " trimmed "}, {"Id": two, "Title": "x" * 200}]
    answer = world.org.composite(
        [Subrequest("GET", query, "before"), writing.update("w", "Lead", rows), Subrequest("GET", query, "after")],
        safe=False,
    )
    good, bad = writing.results(answer["w"])
    assert good.success
    assert bad.errors[0].code == "STRING_TOO_LONG"
    assert [row["Title"] for row in answer["before"].body["records"]] == ["a", "b"]
    assert [row["Title"] for row in answer["after"].body["records"]] == ["trimmed", "b"]


def test_a_text_that_composite_would_replace_is_kept(world: World) -> None:
    text = "@{read.records[0].Id} and @{nothing}"
    record = world.create(Title="a")
    requests_ = [*READ, writing.update("w", "Lead", [{"Id": record, "Title": text}])]
    assert writing.results(world.org.composite(requests_, safe=False)["w"])[0].success
    assert world.read(record, "Title")["Title"] == text


def test_an_upsert_by_external_id_tells_whether_it_created(world: World) -> None:
    row = {"Person_Id__c": "11111111-1111", "LastName": "Adams", "Company": "Acme"}
    done = [
        writing.results(world.org.composite([writing.upsert("u", "Lead", "Person_Id__c", [row])], safe=False)["u"])[0]
        for _ in range(2)
    ]
    assert [result.created for result in done] == [True, False]
    assert done[0].id == done[1].id


def test_a_deleted_record_is_gone_and_seen_by_query_all(world: World) -> None:
    record = world.create()
    assert writing.results(world.org.composite([writing.delete("x", [record])], safe=False)["x"])[0].success
    query = soql.select(["Id", "IsDeleted"], "Lead", soql.equals("Id", record))
    assert world.org.query(query).records == []
    assert world.org.query(query, deleted=True).records[0]["IsDeleted"] is True
    (result,) = writing.results(
        world.org.composite([writing.update("w", "Lead", [{"Id": record, "Title": "x"}])], safe=False)["w"]
    )
    assert result.errors[0].code == "ENTITY_IS_DELETED"


def test_a_field_that_is_hidden_is_a_refused_part_and_a_refused_query(world: World) -> None:
    world.control("access", username="sync@example.com", object="Lead", field="Title", access="hidden")
    query = soql.select(["Id", "Title"], "Lead")
    answer = world.org.composite([Subrequest("GET", soql.query_path(query), "q")], safe=True)
    error = answer["q"].error()
    assert error is not None
    assert error.code == "INVALID_FIELD"
    with pytest.raises(Refused) as caught:
        world.org.query(query)
    assert caught.value.code == "INVALID_FIELD"
    assert "Title" not in world.org.describe("Lead").fields


def test_600_custom_fields_are_read_at_once(world: World) -> None:
    for number in range(600):
        world.control(
            "fields", object="Lead", name=f"A_Rather_Long_Name_Of_A_Field_{number:03}__c", type="string", length=50
        )
    record = world.create()
    names = [name for name, field in world.org.describe("Lead").fields.items() if field.custom]
    assert len(names) >= 600
    assert len(world.read(record, *names)) >= 600


def test_pages_are_followed_to_the_end_in_keyset_order(world: World) -> None:
    for start in range(0, 2400, 200):
        rows = [{"LastName": f"L{start + number}", "Company": "Acme"} for number in range(200)]
        world.org.composite([writing.create("c", "Lead", rows)], safe=False)
    where = soql.changed_since(START)
    page = world.org.query(soql.select(["Id", "SystemModstamp"], "Lead", where, ["SystemModstamp", "Id"]))
    records = list(page.records)
    while page.next_url:
        page = world.org.query_more(page.next_url)
        records += page.records
    assert len(records) == 2400
    last = records[1999]
    rest = soql.changed_since(START, (datetime.fromisoformat(last["SystemModstamp"]), last["Id"]))
    assert world.org.query(soql.select(["Id"], "Lead", rest)).total == 400


def test_text_in_a_condition_cannot_break_out(world: World) -> None:
    hostile = "x' OR Name != '\\ \" \n%_"
    record = world.create(Title=hostile)
    world.create(Title="other")
    found = world.org.query(soql.select(["Id"], "Lead", soql.equals("Title", hostile.strip()))).records
    assert [row["Id"] for row in found] == [record]


def test_an_answer_that_is_lost_after_saving_is_an_unknown_outcome(world: World) -> None:
    row = {"Person_Id__c": "2222", "LastName": "Adams", "Company": "Acme"}
    request = [writing.upsert("u", "Lead", "Person_Id__c", [row])]
    world.org.sign_in()
    before = world.counted()
    world.fault("drop_after")
    with pytest.raises(OutcomeUnknown):
        world.org.composite(request, safe=False)
    assert world.counted() - before == world.org.api_calls == 1
    assert world.org.query("SELECT COUNT() FROM Lead").total == 1
    assert writing.results(world.org.composite(request, safe=False)["u"])[0].created is False


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncate", "status"])
def test_a_read_gets_over_passing_faults(world: World, kind: str) -> None:
    world.fault(kind, times=2)
    assert world.org.composite(READ, safe=True)["read"].ok
    assert len(world.naps) == 2


def test_a_server_that_stays_down_is_unavailable(world: World) -> None:
    world.fault("status", times=None, status=503)
    with pytest.raises(Unavailable):
        world.org.composite(READ, safe=True)
    assert len(world.naps) == 4


def test_an_answer_that_takes_too_long_times_out(world: World) -> None:
    world.org.sign_in()
    world.fault("delay_ms", seconds=90)
    with pytest.raises(OutcomeUnknown, match="did not answer in time"):
        world.org.composite(READ, safe=False)


def test_the_organisations_time_is_that_before_a_slow_answer(world: World) -> None:
    world.org.sign_in()
    world.fault("delay_ms", seconds=30)
    before = world.sandbox.clock.now()
    asked_at = world.org.composite(READ, safe=True).asked_at
    assert before - timedelta(seconds=31) <= asked_at <= before


def test_an_expired_session_is_renewed_and_assignment_rules_stay_off(world: World) -> None:
    record = world.create()
    owner = world.read(record, "OwnerId")["OwnerId"]
    world.fault("expire_session")
    update = writing.update("w", "Lead", [{"Id": record, "Title": "x"}])
    assert writing.results(world.org.composite([update], safe=False)["w"])[0].success
    assert world.read(record, "OwnerId", "Title") | {"attributes": None} == {
        "attributes": None,
        "Id": record,
        "OwnerId": owner,
        "Title": "x",
    }


def test_the_daily_limit_is_told(world: World) -> None:
    world.org.sign_in()
    world.control("limits", daily=0)
    with pytest.raises(RequestLimitExceeded):
        world.org.composite(READ, safe=True)

"""Each way to sign in, and each way to be refused with one clear line and nothing changed."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.core.management import call_command

from syncer.models import ApiUsage, Person, SyncRun, SyncUser
from syncer.sync.connection.lease import acquire
from syncer.sync.errors import CannotSync, LeaseHeld
from syncer.sync.upkeep import access_check

pytestmark = pytest.mark.django_db


def change(sync_user: SyncUser, secrets: dict[str, str] | None = None, **values) -> None:
    for name, value in values.items():
        setattr(sync_user, name, value)
    if secrets is not None:
        sync_user.set_secrets(secrets)
    sync_user.save()


def certificate() -> tuple[str, str]:
    """A private key and a certificate for it, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sync")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(start).not_valid_after(start + dt.timedelta(days=9999))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode(), built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_by_client_id_and_secret(sandbox, cycle, sync_user):
    cycle()
    sync_user.refresh_from_db()
    assert sync_user.organisation_id.startswith("00D")
    assert sync_user.user_id.startswith("005")


def test_by_user_name_password_and_token(sandbox, cycle, sync_user):
    change(
        sync_user,
        {"password": "sandbox", "security_token": "token"},
        method="password",
        username="sync@example.com",
        api_version="64.0",
    )
    assert cycle().status == "completed"


def test_by_jwt(sandbox, cycle, sync_user, time):
    key, pem = certificate()
    sandbox.control("POST", "users", username="sync@example.com", certificates=[pem])
    time.now = dt.datetime.now(dt.UTC)  # an assertion is valid for three minutes of real time
    change(
        sync_user,
        {"client_id": "sandbox-client", "private_key": key},
        method="jwt",
        username="sync@example.com",
    )
    assert cycle().status == "completed"


def test_a_wrong_secret_stops_the_sync_after_one_try(sandbox, cycle, sync_user):
    change(sync_user, {"client_id": "sandbox-client", "client_secret": "wrong"})
    with pytest.raises(CannotSync) as refused:
        cycle()
    assert refused.value.message.count("refused the sign-in") == 1
    sync_user.refresh_from_db()
    assert sync_user.state == "refused"
    sandbox.clear_requests()
    with pytest.raises(CannotSync, match="not tried again"):
        cycle()
    assert sandbox.writes() == {}
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"locked": True}, "locked"),
        ({"active": False}, "inactive"),
        ({"password_expired": True}, "expired"),
        ({"password": "changed"}, "Invalid username, password"),
    ],
)
def test_a_refused_user_is_told_in_salesforces_words(sandbox, cycle, sync_user, user, message):
    sandbox.control("POST", "users", username="sync@example.com", **user)
    change(
        sync_user,
        {"password": "sandbox", "security_token": "token"},
        method="password",
        username="sync@example.com",
        api_version="64.0",
    )
    with pytest.raises(CannotSync) as caught:
        cycle()
    assert "\n" not in caught.value.message
    sync_user.refresh_from_db()
    assert sync_user.state == "refused"


def test_an_expired_session_is_opened_again_and_keeps_its_headers(sandbox, cycle, sync_user):
    lead = sandbox.lead()
    cycle()
    owner = sandbox.read(lead)["OwnerId"]
    sandbox.control("DELETE", "sessions", username="sync@example.com")
    Person.objects.update(title="Buyer")
    assert cycle().status == "completed"
    there = sandbox.read(lead)
    assert (there["Title"], there["OwnerId"]) == ("Buyer", owner)  # no assignment rule ran


def test_an_organisation_that_is_another_one_is_refused_before_anything_is_written(sandbox, cycle, sync_user):
    lead = sandbox.lead(Title="Buyer")
    cycle()
    Person.objects.update(title="Ours")
    change(sync_user, organisation_id="00DOTHER0000001EAA", encrypted_session="")
    with pytest.raises(CannotSync, match="organisation"):
        cycle()
    assert sandbox.read(lead)["Title"] == "Buyer"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "https://salesforce.com.evil.example",
        "https://evil.example/.salesforce.com",
        "https://user@acme.my.salesforce.com",
        "ftp://acme.my.salesforce.com",
        "nonsense",
    ],
)
def test_an_address_that_is_not_salesforces_is_refused_with_one_line(sandbox, cycle, sync_user, url):
    change(sync_user, login_url=url)
    with pytest.raises(CannotSync) as caught:
        cycle()
    assert "\n" not in caught.value.message
    assert not SyncRun.objects.exists()


def test_secrets_that_no_key_reads_are_told(sandbox, cycle, sync_user, settings):
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CannotSync, match="FIELD_ENCRYPTION_KEY"):
        cycle()


def test_keys_rotate(sandbox, cycle, sync_user, settings):
    old = settings.FIELD_ENCRYPTION_KEYS
    new = [Fernet.generate_key().decode()]
    cycle()
    settings.FIELD_ENCRYPTION_KEYS = new + old
    call_command("rotatekeys", verbosity=0)
    settings.FIELD_ENCRYPTION_KEYS = new
    assert cycle().status == "completed"


def test_another_cycle_that_runs_is_left_alone(sandbox, cycle, sync_user):
    lease = acquire(sync_user)
    sandbox.clear_requests()
    with pytest.raises(LeaseHeld):
        cycle()
    assert sandbox.writes() == {}
    lease.release()
    assert cycle().status == "completed"


def test_a_cycle_that_lost_its_lease_writes_nothing_more(sandbox, cycle, sync_user):
    from syncer.models import SyncLease
    from syncer.sync.errors import LeaseLost

    lease = acquire(sync_user)
    SyncLease.objects.update(expires_at="2020-01-01T00:00Z")
    acquire(sync_user)
    with pytest.raises(LeaseLost):
        lease.renew()


def test_the_daily_limit_pauses_the_sync(sandbox, cycle, sync_user, time):
    cycle()
    sandbox.control("POST", "limits", daily=1)
    with pytest.raises(CannotSync, match="limit"):
        cycle()
    sync_user.refresh_from_db()
    assert sync_user.state == "limited"


def test_api_calls_are_booked(sandbox, cycle):
    run = cycle()
    assert sum(ApiUsage.objects.values_list("calls", flat=True)) == run.api_calls


def test_secrets_are_encrypted_and_shown_nowhere(sandbox, cycle, sync_user):
    cycle()
    sync_user.refresh_from_db()
    kept = str({f.name: getattr(sync_user, f.name) for f in SyncUser._meta.concrete_fields})
    assert "sandbox-secret" not in kept
    assert "sandbox-secret" not in repr(sync_user)
    assert sync_user.secrets["client_secret"] == "sandbox-secret"


def test_testing_a_connection_tells_the_organisation_the_limits_and_what_is_missing(sandbox, sync_user):
    access = {"username": "sync@example.com", "object": "Lead"}
    sandbox.control("POST", "access", **access, field="Title", access="hidden")
    sandbox.control("POST", "access", **access, field="Rating", access="read")
    report = access_check.test_connection(sync_user, sandbox.open_session)
    assert report.organisation_id.startswith("00D")
    assert report.username == "sync@example.com"
    assert report.api_limit
    assert report.external_id
    assert report.gaps == (
        "Lead: not visible to the sync user: Title. Give Read in field-level security.",
        "Lead: visible but not editable: Rating. Give Edit, or they are received only.",
    )


def test_testing_a_connection_with_a_wrong_secret_says_so(sandbox, sync_user):
    change(sync_user, {"client_id": "sandbox-client", "client_secret": "wrong"})
    with pytest.raises(CannotSync, match="refused"):
        access_check.test_connection(sync_user, sandbox.open_session)


def test_the_field_list_can_be_refreshed_at_once(sandbox, sync_user, cycle):
    from syncer.sync.upkeep import access_check

    cycle()
    sandbox.control("POST", "fields", object="Lead", name="Tier__c", type="Text", length=20)
    [found] = access_check.refresh_fields(sync_user, actor="Eva", open_session=sandbox.open_session)
    run = SyncRun.objects.latest("pk")
    assert (run.kind, run.status, run.trigger, run.api_calls) == ("fields", "completed", "Eva", 1)
    assert (found.object, found.added) == ("Lead", ["Tier__c"])

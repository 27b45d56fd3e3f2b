"""From the stored sync user to a connection with its organisation: credentials, session, checks, state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from syncer import secrets
from syncer.models import SalesforceRecord, SyncUser, SyncUserState, moments
from syncer.salesforce.caller import USUAL_TIMING, Timing
from syncer.salesforce.client import Org
from syncer.salesforce.codes import EdgeCode
from syncer.salesforce.errors import ConfigurationError, RequestLimitExceeded, SalesforceError, SignInRefused
from syncer.salesforce.signin import SignIn
from syncer.salesforce.ways import COLUMN_NEEDS, Credentials
from syncer.sync.connection import installation
from syncer.sync.connection.api_budget import book_api_calls
from syncer.sync.context import OpenSession, database_time, default_session
from syncer.sync.errors import CannotSync, DatabaseBusy, ReserveReached, WritesStopped, was_ended
from syncer.sync.outcomes import Code

WRITES_STOPPED = (
    "Everything that writes to Salesforce is stopped, so nothing was sent. Whoever may pause the sync allows it again "
    "on the dashboard, or with `manage.py resumesync --everything`."
)

RESTORED = (
    "This database was restored from a backup, so nothing is sent until a cycle has read everything in Salesforce. "
    "What waits here is then decided as on first contact: where both sides have a value, Salesforce's stays and the "
    "other one is in the log."
)


def active_sync_user() -> SyncUser:
    """The one that is active. Raises CannotSync when there is none."""
    sync_user = SyncUser.objects.filter(is_active=True).first()
    if sync_user is None:
        raise CannotSync(
            "No Salesforce connection is set up. Add one with `manage.py add_sync_user NAME "
            "--method client-credentials --login-url https://YOURS.my.salesforce.com`.",
            Code.NO_SYNC_USER,
        )
    return sync_user


def check_writing(sync_user: SyncUser) -> None:
    """Raises CannotSync while somebody has stopped everything that writes to Salesforce, or the database was restored
    from a backup."""
    if sync_user.writes_stopped:
        raise CannotSync(WRITES_STOPPED, Code.WRITES_STOPPED)
    if sync_user.restored_at is not None:
        raise CannotSync(RESTORED, Code.RESTORED_DATABASE)


def check_ready(sync_user: SyncUser, now: datetime) -> None:
    """Raises CannotSync while the connection is stopped: a refused sign-in is not tried again by itself."""
    if sync_user.state == SyncUserState.REFUSED:
        raise CannotSync(
            f"Salesforce refused the sign-in on {sync_user.state_since:%d %b at %H:%M} UTC ({sync_user.state_reason}). "
            "It is not tried again by itself, so that the user is not locked. Correct the connection with "
            "`manage.py add_sync_user` or in the admin.",
            EdgeCode.SIGN_IN_REFUSED,
        )
    if limited_until := sync_user.limited_until(now):
        raise CannotSync(
            f"The organisation's daily API limit is used up; the sync goes on at {limited_until:%H:%M} UTC.",
            "REQUEST_LIMIT_EXCEEDED",
        )


def credentials_of(sync_user: SyncUser) -> Credentials:
    """Raises CannotSync when the stored secrets can't be read."""
    try:
        stored = sync_user.secrets
    except secrets.SecretsUnreadable as error:
        raise CannotSync(str(error), Code.SECRETS_UNREADABLE) from None
    return Credentials(
        method=sync_user.method,
        login_url=sync_user.login_url,
        given=stored | {need.name: getattr(sync_user, need.name) for need in COLUMN_NEEDS},
        api_version=sync_user.api_version,
    )


def connect(sync_user: SyncUser, open_session: OpenSession = default_session, timing: Timing = USUAL_TIMING) -> Org:
    """A connection that reuses the stored session while that is valid and stores a new one. Raises CannotSync."""
    installation.check()
    try:
        return Org(
            credentials_of(sync_user),
            open_session(sync_user.login_url),
            allowed_hosts=settings.SALESFORCE_ALLOWED_HOSTS,
            timing=replace(timing, clocks=(database_time,)),
            saved=_stored_session(sync_user),
            on_sign_in=partial(_store_session, sync_user),
            before_write=partial(_check_writing_now, sync_user),
        )
    except ConfigurationError as error:
        raise CannotSync(str(error), error.code) from None


def _stored_session(sync_user: SyncUser) -> SignIn | None:
    try:
        stored = secrets.decrypt(sync_user.encrypted_session)
    except secrets.SecretsUnreadable:
        return None
    if not stored:
        return None
    return SignIn(**stored | {"signed_in_at": datetime.fromisoformat(stored["signed_in_at"])})


def _store_session(sync_user: SyncUser, sign_in: SignIn) -> None:
    """Raises ConfigurationError when it is a session of another organisation than the sync user's."""
    if sync_user.organisation_id and sign_in.organisation_id not in ("", sync_user.organisation_id):
        raise ConfigurationError(
            f"This sign-in leads to organisation {sign_in.organisation_id}, but the persons here are linked with "
            f"{sync_user.organisation_id}. Nothing was written. Check the My Domain URL or, if a sandbox was "
            "refreshed, reconnect on the connection's page or with `manage.py reconnectsandbox`.",
            code=Code.WRONG_ORGANISATION,
        )
    stored = asdict(sign_in) | {"signed_in_at": sign_in.signed_in_at.isoformat()}
    sync_user.encrypted_session = secrets.encrypt(stored)
    sync_user.instance_url = sign_in.instance_url
    if sync_user.pk:
        sync_user.save(update_fields=["encrypted_session", "instance_url"])


def _check_writing_now(sync_user: SyncUser) -> None:
    """The switch works at once, also for a cycle or an action that has begun. Raises WritesStopped."""
    now = SyncUser.objects.filter(pk=sync_user.pk).values("writes_stopped", "restored_at").first()
    if now and now["writes_stopped"]:
        raise WritesStopped(WRITES_STOPPED)
    if now and now["restored_at"]:
        raise WritesStopped(RESTORED, code=Code.RESTORED_DATABASE)


def learn_organisation(sync_user: SyncUser, org: Org) -> None:
    """Store which organisation and user this connection leads to. Asked once; afterwards each sign-in tells it.

    Before any link is made: a link belongs to an organisation.
    """
    if sync_user.organisation_id:
        return
    organisation, user = org.organisation(), org.user_info()
    other = SalesforceRecord.objects.exclude(organisation=organisation.id).values_list("organisation", flat=True)
    if linked := other.first():
        raise ConfigurationError(
            f"This connection leads to organisation {organisation.id} ({organisation.name}), but the persons here are "
            f"linked with {linked}. Nothing was written.",
            code=Code.WRONG_ORGANISATION,
        )
    sync_user.organisation_id, sync_user.organisation_name = organisation.id, organisation.name[:120]
    sync_user.user_id = user.id
    sync_user.save(update_fields=["organisation_id", "organisation_name", "user_id"])


@contextmanager
def one_line_errors(sync_user: SyncUser, org: Org) -> Iterator[None]:
    """Turn what the edge raises into CannotSync, remember states that stop the sync, and book the API calls."""
    try:
        yield
    except SignInRefused as error:
        sync_user.set_state(SyncUserState.REFUSED, str(error))
        raise CannotSync(str(error), error.code) from error
    except RequestLimitExceeded as error:
        sync_user.set_state(SyncUserState.LIMITED, str(error), timezone.now() + moments.LIMIT_PAUSE)
        raise CannotSync(f"The organisation's daily API limit is used up: {error}", error.code) from error
    except SalesforceError as error:
        raise CannotSync(str(error), error.code) from error
    except ReserveReached:
        _works_again(sync_user)
        raise
    except OperationalError as error:
        if was_ended(error):
            raise DatabaseBusy from error
        raise
    else:
        _works_again(sync_user)
    finally:
        book_api_calls(sync_user, org)


def _works_again(sync_user: SyncUser) -> None:
    if sync_user.state in (SyncUserState.REFUSED, SyncUserState.LIMITED):
        sync_user.set_state(SyncUserState.READY)

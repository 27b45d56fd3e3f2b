"""*Test connection* and *Refresh field list*: what the sync user may do in Salesforce, asked for right now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from syncer.models import FieldMapping, RunKind, SyncUser
from syncer.salesforce.caller import Timing
from syncer.salesforce.describe import ObjectDescribe
from syncer.sync.connection import runs
from syncer.sync.connection.connect import check_ready, connect, one_line_errors
from syncer.sync.context import Context, OpenSession, default_session
from syncer.sync.errors import CannotSync
from syncer.sync.fields.synced_objects import OBJECTS, SYNCED
from syncer.sync.outcomes import Code
from syncer.sync.pull import describes
from syncer.sync.pull.database import Database


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """What a test found. ``gaps`` are sentences: what is missing, and what to grant."""

    organisation_id: str
    organisation_name: str
    organisation_type: str
    is_sandbox: bool
    username: str
    api_version: str
    api_used: int | None
    api_limit: int | None
    fields: dict[str, tuple[int, int]]  # object → fields that may be seen, and of those edited
    external_id: bool
    gaps: tuple[str, ...]


def test_connection(sync_user: SyncUser, open_session: OpenSession = default_session) -> ConnectionReport:
    """Sign in anew and look around. Writes nothing but the session. Raises CannotSync with one clear sentence."""
    sync_user.encrypted_session = ""
    org = connect(sync_user, open_session, Timing(attempts=2))
    with one_line_errors(sync_user, org):
        org.sign_in()
        organisation, user = org.organisation(), org.user_info()
        if sync_user.organisation_id not in ("", organisation.id):
            raise CannotSync(
                f"This is organisation {organisation.id} ({organisation.name}); the persons here are linked with "
                f"{sync_user.organisation_id}.",
                Code.WRONG_ORGANISATION,
            )
        described = [org.describe(name) for name in OBJECTS]
    usage = org.api_usage
    return ConnectionReport(
        organisation_id=organisation.id,
        organisation_name=organisation.name,
        organisation_type=organisation.org_type,
        is_sandbox=organisation.is_sandbox,
        username=user.username,
        api_version=sync_user.api_version,
        api_used=usage.used if usage else None,
        api_limit=usage.limit if usage else None,
        fields={d.name: (len(d.fields), sum(f.updateable for f in d.fields.values())) for d in described},
        external_id=_has_external_id(sync_user, described),
        gaps=tuple(_gaps(sync_user, described)),
    )


def refresh_fields(
    sync_user: SyncUser, *, actor: str, open_session: OpenSession = default_session
) -> list[describes.SchemaChange]:
    """Read the field list now rather than with the next cycle. Return what changed. Raises CannotSync.

    It leaves a run, as a cycle that reads the list does: it changes mappings, and what was refused is tried again.
    """
    check_ready(sync_user, timezone.now())
    org = connect(sync_user, open_session, Timing(attempts=2))
    run = runs.create(sync_user, RunKind.FIELD_LIST, actor)
    context = Context(sync_user=sync_user, org=org, run=run, claim="", actor=actor, store=Database())
    with runs.recorded(context), one_line_errors(sync_user, org):
        runs.report(context, "Reading the field list", 0, None)
        return describes.refresh(context)


def _has_external_id(sync_user: SyncUser, described: Iterable[ObjectDescribe]) -> bool:
    leads = next(d for d in described if d.name == "Lead")
    field = leads.fields.get(sync_user.external_id_field)
    return bool(field and field.external_id and field.unique and field.createable)


def _gaps(sync_user: SyncUser, described: Iterable[ObjectDescribe]) -> Iterable[str]:
    """What stands in the way of a full sync, object by object."""
    switched_off = set(
        FieldMapping.objects.filter(sync_user=sync_user, enabled=False).values_list("object", "salesforce_field")
    )
    for d in described:
        if not d.updateable:
            yield f"The sync user may not edit {d.name} records: give Edit on {d.name} in its permission set."
        if d.name == "Lead" and not d.createable:
            yield "The sync user may not create leads: give Create on Lead in its permission set."
        wanted = [name for name in SYNCED[d.name].own_fields if (d.name, name) not in switched_off]
        unseen = [name for name in wanted if name not in d.fields]
        fixed = [name for name in wanted if name in d.fields and not d.fields[name].updateable]
        if unseen:
            yield f"{d.name}: not visible to the sync user: {', '.join(unseen)}. Give Read in field-level security."
        if fixed:
            yield f"{d.name}: visible but not editable: {', '.join(fixed)}. Give Edit, or they are received only."
    if not _has_external_id(sync_user, described):
        yield (
            f"Lead has no unique external-id text field {sync_user.external_id_field} that the sync user may fill. "
            "Creates are remembered here instead, and looked up after a broken connection."
        )

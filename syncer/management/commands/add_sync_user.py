"""``manage.py add_sync_user``: connect a Salesforce organisation. Signs in, reads the fields, says what it found."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from syncer.management.progress import quiet_logs
from syncer.models import SalesforceRecord, SyncMode, SyncUser, SyncUserState
from syncer.salesforce.caller import Timing
from syncer.salesforce.errors import SalesforceError
from syncer.salesforce.ways import COLUMN_NEEDS, ENCRYPTED_NEEDS, RECOMMENDED, WAYS, Need, SignInWay, needed_by
from syncer.sync.connection.connect import connect
from syncer.sync.errors import CannotSync
from syncer.sync.fields.object_map import object_map
from syncer.sync.fields.synced_objects import OBJECTS
from syncer.sync.outcomes import Code
from syncer.sync.pull.describes import store_describes

#: Where the secrets come from.
VARIABLES = [need.variable for need in ENCRYPTED_NEEDS]


class Command(BaseCommand):
    help = (
        "Connect a Salesforce organisation, or correct a connection of the same name. Secrets come from "
        f"{', '.join(VARIABLES[:-1])} and {VARIABLES[-1]} or are asked for; never from the command line. Nothing is "
        "saved unless the sign-in works."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="What to call the connection.")
        parser.add_argument("--method", choices=list(WAYS), default=RECOMMENDED)
        parser.add_argument("--login-url", required=True, help="https://YOURS.my.salesforce.com")
        for need in COLUMN_NEEDS:
            methods = " and ".join(needed_by(need))
            parser.add_argument(f"--{need.name.replace('_', '-')}", default="", help=f"For the methods {methods}.")
        parser.add_argument("--mode", choices=SyncMode.values, default=SyncMode.TWO_WAY)
        parser.add_argument("--api-version", default="", help="62.0 unless the method needs an older one.")

    def handle(self, *args: Any, **options: Any) -> None:
        quiet_logs(options["verbosity"])
        way = WAYS[options["method"]]
        if way.retirement:
            self.stderr.write(f"{way.retirement} Prefer --method {RECOMMENDED}.")
        secrets = {need.name: self._secret(need, way) for need in way.needs if need.encrypted}
        try:
            sync_user = self._save(options, secrets)
        except (CannotSync, SalesforceError) as error:
            self.stderr.write(f"Not connected, and nothing was changed: {error}")
            sys.exit(1)
        self._tell(sync_user)

    def _save(self, options: dict[str, Any], secrets: dict[str, str]) -> SyncUser:
        """Sign in and read, then store everything in one transaction; a failure leaves the database as it was."""
        existing = SyncUser.objects.filter(name=options["name"]).first()
        sync_user = existing or SyncUser(name=options["name"])
        sync_user.method = options["method"]
        sync_user.login_url = options["login_url"].strip().rstrip("/")
        for need in COLUMN_NEEDS:
            setattr(sync_user, need.name, options[need.name])
        sync_user.mode = options["mode"]
        sync_user.api_version = options["api_version"] or WAYS[sync_user.method].api_version
        sync_user.set_secrets(secrets)
        sync_user.is_active = True
        # Not saved yet: the edge is asked first, outside of any transaction.
        probe = SyncUser(**{f.attname: getattr(sync_user, f.attname) for f in SyncUser._meta.concrete_fields})
        probe.pk = None
        org = connect(probe, timing=Timing(attempts=2))
        org.sign_in()
        organisation, user = org.organisation(), org.user_info()
        if other := SalesforceRecord.objects.exclude(organisation=organisation.id).first():
            raise CannotSync(
                f"This is organisation {organisation.id} ({organisation.name}), but the persons here are linked with "
                f"{other.organisation}.",
                Code.WRONG_ORGANISATION,
            )
        describes = [org.describe(name) for name in OBJECTS]
        with transaction.atomic():
            others = SyncUser.objects.exclude(pk=sync_user.pk).filter(is_active=True)
            self._switched_off = list(others.values_list("name", flat=True))
            others.update(is_active=False)
            sync_user.encrypted_session, sync_user.instance_url = probe.encrypted_session, probe.instance_url
            sync_user.organisation_id, sync_user.organisation_name = organisation.id, organisation.name[:120]
            sync_user.user_id = user.id
            sync_user.state, sync_user.state_reason = SyncUserState.READY, ""
            sync_user.save()
            store_describes(sync_user, describes, timezone.now())
        self._signed_in_as = user.username or user.name
        return sync_user

    def _tell(self, sync_user: SyncUser) -> None:
        for name in self._switched_off:
            self.stdout.write(f"“{name}” is no longer the active connection: one at a time is, and this one took over.")
        self.stdout.write(
            f"Connected to {sync_user.organisation_name} ({sync_user.organisation_id}) as {self._signed_in_as}."
        )
        for name in OBJECTS:
            mappings = sync_user.mappings.filter(object=name, readable=True)
            custom = mappings.filter(automatic=True, salesforce_field__endswith="__c").count()
            may_edit = mappings.filter(updateable=True).count()
            self.stdout.write(
                f"{name}: {mappings.count()} fields mapped ({custom} of them custom), {may_edit} may be edited."
            )
        guarantee = object_map(sync_user, "Lead").external_id_field
        self.stdout.write(
            f"New leads carry the person's UUID in {sync_user.external_id_field}: a create happens at most once."
            if guarantee
            else f"The organisation has no unique external-id field {sync_user.external_id_field}: creates are "
            "remembered here and looked up after a broken connection, before anything is tried again."
        )

    def _secret(self, need: Need, way: SignInWay) -> str:
        value = os.environ.get(need.variable, "")
        if not value and sys.stdin.isatty() and not need.in_file:
            value = getpass.getpass(f"{need.words.capitalize()} ({need.variable} is not set): ")
        if not value and need not in way.optional:
            raise CommandError(f"{need.variable} is not set, and there is no terminal to ask for it.")
        if not value or not need.in_file:
            return value
        try:
            return Path(value).read_text(encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{need.variable}: {value} can't be read ({error.strerror}).") from None

"""``manage.py rotatekeys``: encrypt the stored secrets anew with the first key of FIELD_ENCRYPTION_KEY."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from syncer import secrets
from syncer.models import SyncUser


class Command(BaseCommand):
    help = (
        "Encrypt all stored secrets anew with the first key of FIELD_ENCRYPTION_KEY. To change the key: put the new "
        "one before the old one (separated by a comma), restart, run this, then take the old one away."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                sync_users = list(SyncUser.objects.select_for_update())
                for sync_user in sync_users:
                    sync_user.encrypted_secrets = secrets.rotate(sync_user.encrypted_secrets)
                    sync_user.encrypted_session = secrets.rotate(sync_user.encrypted_session)
                    sync_user.save(update_fields=["encrypted_secrets", "encrypted_session"])
        except secrets.SecretsUnreadable as error:
            self.stderr.write(f"{error} Nothing was changed.")
            sys.exit(1)
        self.stdout.write(f"The secrets of {len(sync_users)} connection(s) are encrypted with the first key now.")

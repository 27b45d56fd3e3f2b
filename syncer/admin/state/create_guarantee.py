"""Which of the two guarantees is in force that a lead is made at most once."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from syncer.admin.ui import display
from syncer.models import SyncUser
from syncer.sync.fields.object_map import object_map


@dataclass(frozen=True, slots=True)
class Guarantee:
    label: str
    kind: str
    text: str

    @property
    def shown(self) -> SafeString:
        return format_html("{} {}", display.chip(self.label, self.kind), self.text)


def guarantee(sync_user: SyncUser) -> Guarantee:
    """As the last describe of Lead says."""
    field = sync_user.external_id_field
    if not sync_user.described.filter(name="Lead").exists():
        return Guarantee("Not known yet", "off", "The first test or cycle looks for the external-id field.")
    if object_map(sync_user, "Lead").external_id_field:
        text = (
            f"Salesforce itself refuses a second lead with the same {field}: a create happens at most once, also when "
            "a request comes late."
        )
        return Guarantee("By external id", "good", text)
    return Guarantee(
        "By intent",
        "wait",
        f"There is no unique external-id field {field or '(none is named)'} that the sync user may fill. Each create "
        "is written down before the call, and after a broken connection nothing is tried until the lead is found, or "
        "fifteen minutes have passed. What is left: a computer that stands still in the very instant in which a "
        "request leaves, for longer than those minutes, can make a second lead.",
    )

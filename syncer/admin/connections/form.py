"""The form of a Salesforce connection: its secrets can be written, never read."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from syncer import secrets
from syncer.admin.ui.typed import AnyModelForm
from syncer.models import SyncUser, SyncUserState
from syncer.salesforce.errors import ConfigurationError
from syncer.salesforce.signin import check
from syncer.salesforce.ways import COLUMN_NEEDS, ENCRYPTED_NEEDS, WAYS, Credentials, Need, needed_by

SECRET_NAMES = tuple(need.name for need in ENCRYPTED_NEEDS)
COLUMN_NAMES = tuple(need.name for need in COLUMN_NEEDS)
#: What leads to a session: when one of these changes, the old session is forgotten.
SIGN_IN = frozenset({"method", "login_url", *COLUMN_NAMES, *SECRET_NAMES})


class SyncUserForm(AnyModelForm):
    # Not the model's own choices: a further way to sign in would need a migration.
    method = forms.ChoiceField(label="Sign-in method", choices=[(way.name, way.label) for way in WAYS.values()])

    class Meta:
        model = SyncUser
        fields = (
            "name",
            "is_active",
            "mode",
            "method",
            "login_url",
            *COLUMN_NAMES,
            "api_version",
            "lead_winner",
            "contact_winner",
            "external_id_field",
            "default_last_name",
            "default_company",
            "create_leads",
            "hold_refused_fields",
            "save_warned_duplicates",
            "cycle_share",
            "action_share",
        )
        labels = {need.name: need.label for need in COLUMN_NEEDS}
        help_texts = {
            "login_url": "For example https://acme.my.salesforce.com",
            **{need.name: need.help for need in COLUMN_NEEDS},
            "is_active": "One connection is active at a time.",
            "default_last_name": "Used only when a lead is created and the person has none.",
            "default_company": "Used only when a lead is created and the person has none.",
            "create_leads": "Every cycle runs Sync Person to SFDC for persons who were never in Salesforce. Otherwise "
            "a person goes there only when somebody presses the button.",
            "hold_refused_fields": "When Salesforce refuses an update because of certain fields, the others are sent "
            "and the refused values wait here. Otherwise the whole update waits. A new lead always fails as a whole.",
            "save_warned_duplicates": "A duplicate rule that only warns people refuses programs. Ticked, we save all "
            "the same, as somebody does who clicks the warning away. A rule that blocks still refuses.",
            "cycle_share": "Percent. When all apps of the organisation together have used this share of its API calls "
            "of 24 hours, scheduled cycles wait: the rest is for the others.",
            "action_share": "Percent. What somebody asks for by hand may go further than the cycles.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self._stored = stored_secrets(self.instance)
        for need in ENCRYPTED_NEEDS:
            self.fields[need.name] = self._secret_field(need)
        for need in COLUMN_NEEDS:
            if field := self.fields.get(need.name):
                field.widget.attrs |= _for_methods(need)

    def _secret_field(self, need: Need) -> forms.CharField:
        attrs = {"autocomplete": "new-password", "spellcheck": "false"} | _for_methods(need)
        known = bool(self._stored.get(need.name))
        if need.in_file:
            widget: forms.Widget = forms.Textarea(attrs=attrs | {"rows": "4"})
        else:
            widget = forms.PasswordInput(render_value=False, attrs=attrs)
        note = "Stored, and not shown again. Leave empty to keep it." if known else "Not stored yet."
        help_text = f"{need.help} {note}".lstrip()
        return forms.CharField(label=need.label, required=False, strip=True, widget=widget, help_text=help_text)

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> Any:
        return "" if field_name in SECRET_NAMES else super().get_initial_for_field(field, field_name)

    def clean_login_url(self) -> str:
        return str(self.cleaned_data["login_url"]).strip().rstrip("/")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            self._check_credentials(cleaned)
        if cleaned.get("is_active"):
            other = SyncUser.objects.filter(is_active=True).exclude(pk=self.instance.pk).first()
            if other is not None:
                self.add_error("is_active", f"“{other}” is the active connection. Switch that one off first.")
        return cleaned

    def merged_secrets(self) -> dict[str, str]:
        """The stored secrets, with those that were entered in their place."""
        entered = {name: self.cleaned_data.get(name) or "" for name in SECRET_NAMES}
        return {name: entered[name] or str(self._stored.get(name, "")) for name in SECRET_NAMES}

    def _check_credentials(self, cleaned: dict[str, Any]) -> None:
        """What can't work whatever Salesforce says is refused before it is saved."""
        credentials = Credentials(
            method=cleaned["method"],
            login_url=cleaned["login_url"],
            given=self.merged_secrets() | {name: cleaned[name] for name in COLUMN_NAMES},
            api_version=cleaned["api_version"],
        )
        try:
            check(credentials, settings.SALESFORCE_ALLOWED_HOSTS)
        except ConfigurationError as error:
            raise ValidationError(str(error)) from None

    @property
    def signs_in_anew(self) -> bool:
        return not SIGN_IN.isdisjoint(self.changed_data)

    def take_over(self, sync_user: SyncUser) -> None:
        """Put what was entered on the connection, before it is saved. A corrected sign-in may be tried again."""
        if any(self.cleaned_data.get(name) for name in SECRET_NAMES):
            sync_user.set_secrets(self.merged_secrets())
        if self.signs_in_anew:
            sync_user.encrypted_session = ""
            if sync_user.state == SyncUserState.REFUSED:
                sync_user.state, sync_user.state_reason = SyncUserState.READY, ""


def _for_methods(need: Need) -> dict[str, str]:
    """The script shows a field with the ways to sign in that need it."""
    return {"data-for-methods": " ".join(needed_by(need))}


def stored_secrets(sync_user: SyncUser) -> dict[str, Any]:
    """What is stored; nothing when it can't be read any more (another FIELD_ENCRYPTION_KEY)."""
    try:
        return sync_user.secrets
    except secrets.SecretsUnreadable:
        return {}

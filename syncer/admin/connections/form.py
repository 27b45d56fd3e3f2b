"""The form of a Salesforce connection: its secrets can be written, never read."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from syncer import secrets
from syncer.admin.ui.typed import AnyModelForm
from syncer.models import SignInMethod, SyncUser, SyncUserState
from syncer.salesforce.errors import ConfigurationError
from syncer.salesforce.signin import Credentials, check
from syncer.sync.connection.connect import SECRET_NAMES

LABELS = {
    "client_id": "Client ID (consumer key)",
    "client_secret": "Client secret",
    "private_key": "Private key (PEM)",
    "password": "Password",
    "security_token": "Security token",
}
#: Which secrets each way to sign in uses; the script hides the others.
USED_BY = {
    SignInMethod.CLIENT_CREDENTIALS: ("client_id", "client_secret"),
    SignInMethod.JWT: ("client_id", "private_key"),
    SignInMethod.PASSWORD: ("password", "security_token"),
}
#: What leads to a session: when one of these changes, the old session is forgotten.
SIGN_IN = frozenset({"method", "login_url", "username"})


class SyncUserForm(AnyModelForm):
    class Meta:
        model = SyncUser
        fields = (
            "name",
            "is_active",
            "mode",
            "method",
            "login_url",
            "username",
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
        help_texts = {
            "login_url": "For example https://acme.my.salesforce.com",
            "username": "For JWT and for user name and password.",
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
        if method := cast(forms.ChoiceField | None, self.fields.get("method")):
            method.choices = SignInMethod.choices  # the recommended one first, and no empty one
        self._stored = stored_secrets(self.instance)
        for name in SECRET_NAMES:
            self.fields[name] = self._secret_field(name)

    def _secret_field(self, name: str) -> forms.CharField:
        used = " ".join(method for method, names in USED_BY.items() if name in names)
        attrs = {"autocomplete": "new-password", "data-for-methods": used, "spellcheck": "false"}
        known = bool(self._stored.get(name))
        if name == "private_key":
            widget: forms.Widget = forms.Textarea(attrs=attrs | {"rows": "4"})
        else:
            widget = forms.PasswordInput(render_value=False, attrs=attrs)
        note = "Stored, and not shown again. Leave empty to keep it." if known else "Not stored yet."
        return forms.CharField(label=LABELS[name], required=False, strip=True, widget=widget, help_text=note)

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
            username=cleaned["username"],
            api_version=cleaned["api_version"],
            **self.merged_secrets(),
        )
        try:
            check(credentials, settings.SALESFORCE_ALLOWED_HOSTS)
        except ConfigurationError as error:
            raise ValidationError(str(error)) from None

    @property
    def signs_in_anew(self) -> bool:
        return any(name in SIGN_IN or name in SECRET_NAMES for name in self.changed_data)

    def take_over(self, sync_user: SyncUser) -> None:
        """Put what was entered on the connection, before it is saved. A corrected sign-in may be tried again."""
        if any(self.cleaned_data.get(name) for name in SECRET_NAMES):
            sync_user.set_secrets(self.merged_secrets())
        if self.signs_in_anew:
            sync_user.encrypted_session = ""
            if sync_user.state == SyncUserState.REFUSED:
                sync_user.state, sync_user.state_reason = SyncUserState.READY, ""


def stored_secrets(sync_user: SyncUser) -> dict[str, Any]:
    """What is stored; nothing when it can't be read any more (another FIELD_ENCRYPTION_KEY)."""
    try:
        return sync_user.secrets
    except secrets.SecretsUnreadable:
        return {}

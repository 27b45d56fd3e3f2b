"""Person accounts: an account and the contact behind it are one (Salesforce Help, "Person Accounts")."""

from __future__ import annotations

from typing import Any

from sandbox.dml import save
from sandbox.dml.context import Saver


def make(saver: Saver, contact: dict[str, Any], account: dict[str, Any]) -> tuple[str, str]:
    """A new person account of values as the tables keep them; gives the ids of the account and of the contact."""
    name = " ".join(part for part in (contact.get("FirstName"), contact.get("LastName")) if part)
    account_id = save.insert_stored(
        saver, saver.whole("Account"), {**account, "Name": name or None, "IsPersonAccount": 1}
    )
    values = {**contact, "AccountId": account_id, "IsPersonAccount": 1}
    contact_id = save.insert_stored(saver, saver.whole("Contact"), values)
    saver.database.update("Account", account_id, {"PersonContactId": contact_id})
    return account_id, contact_id

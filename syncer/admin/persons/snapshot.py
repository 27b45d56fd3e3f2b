"""The values that a form showed, carried in the form itself and signed, so that only what was edited is saved.

An edit is a value that differs from what its writer read. A form that was loaded before a sync and saved after it must
not write the value back that the sync had replaced meanwhile.
"""

from __future__ import annotations

from typing import Any

from django.core import signing

_SALT = "syncer.admin.person-form"


def seal(person_id: int | None, shown: dict[str, Any]) -> str:
    return signing.dumps({"person": person_id, "shown": shown}, salt=_SALT, compress=True)


def unseal(person_id: int | None, text: str) -> dict[str, Any] | None:
    """What was shown; None when the text is missing, altered or another person's."""
    try:
        stored = signing.loads(text, salt=_SALT)
    except signing.BadSignature:
        return None
    if not isinstance(stored, dict) or stored.get("person") != person_id:
        return None
    shown: dict[str, Any] = stored["shown"]
    return shown

"""Salesforce record ids: 15 case-sensitive characters, or 18 that also survive a change of case.

Characters 16–18 each describe five characters: bit i is set when the i-th of them is upper case; the number is
an index into A–Z0–5 (Salesforce help, "ID field type", Object Reference).
"""

from __future__ import annotations

import re
import string

KEY_PREFIXES = {
    "Account": "001",
    "Campaign": "701",
    "CampaignMember": "00v",
    "Contact": "003",
    "Group": "00G",
    "Lead": "00Q",
    "Opportunity": "006",
    "Organization": "00D",
    "RecordType": "012",
    "User": "005",
}
_OBJECTS = {prefix: name for name, prefix in KEY_PREFIXES.items()}
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_UPPER = {ord(c): "1" if c.isupper() else "0" for c in string.ascii_letters + string.digits}
_CHECKS = {format(number, "05b")[::-1]: character for number, character in enumerate(_ALPHABET)}


def _suffix(id15: str) -> str:
    bits = id15.translate(_UPPER)
    return _CHECKS[bits[:5]] + _CHECKS[bits[5:10]] + _CHECKS[bits[10:]]


def to_18(id15_or_18: object) -> str:
    """The id in 18 characters; ValueError if it is none or its last three characters don't belong to the others.

    The case of the first fifteen is taken as given: an 18-character id whose case was lost is refused.
    """
    if not isinstance(id15_or_18, str) or not _ID.fullmatch(id15_or_18):
        raise ValueError(f"{str(id15_or_18)[:40]!r} is not a Salesforce id: 15 or 18 letters and digits are expected.")
    id18 = id15_or_18[:15] + _suffix(id15_or_18[:15])
    if len(id15_or_18) == 18 and id15_or_18 != id18:
        raise ValueError(f"{id15_or_18!r} is not a Salesforce id: its last three characters should be {id18[15:]!r}.")
    return id18


def is_salesforce_id(text: object) -> bool:
    """Whether the text is a well-formed id of 15 or 18 characters."""
    try:
        to_18(text)
    except ValueError:
        return False
    return True


def object_of(record_id: str) -> str | None:
    """The object that an id belongs to, by its first three characters; None for one that is not in KEY_PREFIXES."""
    return _OBJECTS.get(record_id[:3])


def is_queue(owner_id: str) -> bool:
    """Whether the owner of a record is a queue and no user: of groups, only queues own records."""
    return object_of(owner_id) == "Group"

"""Encryption of secrets at rest: MultiFernet with keys from the environment; the first key encrypts, all decrypt."""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class SecretsUnreadable(Exception):
    """The stored secrets were encrypted with a key that FIELD_ENCRYPTION_KEY does not hold."""


def _cipher() -> MultiFernet:
    keys = settings.FIELD_ENCRYPTION_KEYS
    if not keys:
        raise ImproperlyConfigured(
            "FIELD_ENCRYPTION_KEY is not set. Make one with "
            "`python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`."
        )
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured("FIELD_ENCRYPTION_KEY holds something that is not a Fernet key.") from error


def encrypt(values: dict[str, Any]) -> str:
    """The values as one opaque text for a database column."""
    return _cipher().encrypt(json.dumps(values).encode()).decode()


def decrypt(text: str) -> dict[str, Any]:
    """The values back. Raises ``SecretsUnreadable`` when no key fits."""
    if not text:
        return {}
    try:
        values: dict[str, Any] = json.loads(_cipher().decrypt(text.encode()))
    except InvalidToken:
        raise SecretsUnreadable(
            "The stored secrets cannot be read with FIELD_ENCRYPTION_KEY. Put the key back that they were saved with, "
            "or enter the secrets again."
        ) from None
    return values


def rotate(text: str) -> str:
    """The same values encrypted with the first key. Raises ``SecretsUnreadable`` when no key fits."""
    if not text:
        return ""
    try:
        return _cipher().rotate(text.encode()).decode()
    except InvalidToken:
        decrypt(text)  # raises with the sentence that says what to do
        raise

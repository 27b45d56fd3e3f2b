"""The administrator that somebody who tries the demo logs in as."""

from __future__ import annotations

import secrets

from axes.models import AccessAttempt
from django.contrib.auth import get_user_model

USERNAME = "admin"
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter that looks like another or like a digit


def new_password() -> str:
    """Four groups of four characters: 79 bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def set_up() -> str:
    """Make sure that the administrator is there, with a new password, and return that."""
    password = new_password()
    user, _ = get_user_model().objects.get_or_create(username=USERNAME)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    # Wrong guesses of the last password do not count against this one.
    AccessAttempt.objects.filter(username=USERNAME).delete()
    return password

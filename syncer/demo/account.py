"""The administrator that somebody who tries the demo logs in as."""

from __future__ import annotations

from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.utils.crypto import get_random_string

USERNAME = "admin"
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter that looks like another or like a digit


def set_up() -> str:
    """Make sure that the administrator is there, with a new password of 79 bits, and return that."""
    password = get_random_string(16, ALPHABET)
    user, _ = get_user_model().objects.get_or_create(username=USERNAME)
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    AccessAttempt.objects.filter(username=USERNAME).delete()  # wrong guesses at the last one do not count
    return password

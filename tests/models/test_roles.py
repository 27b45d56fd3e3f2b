"""The three roles are there after a migration, and what an administrator changed on them stays."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User

from syncer import roles

pytestmark = pytest.mark.django_db


def can(role: str, permission: str) -> bool:
    user = User.objects.create_user(f"{role}-{permission}")
    user.groups.add(Group.objects.get(name=role))
    return user.has_perm(permission)


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("syncer.view_person", {"Viewer", "Marketer", "Administrator"}),
        ("syncer.view_activitylogentry", {"Viewer", "Marketer", "Administrator"}),
        ("syncer.change_person", {"Marketer", "Administrator"}),
        ("syncer.sync_person", {"Marketer", "Administrator"}),
        ("syncer.run_cycle", {"Marketer", "Administrator"}),
        ("syncer.pause_sync", {"Administrator"}),
        ("syncer.change_syncuser", {"Administrator"}),
        ("syncer.change_fieldmapping", {"Administrator"}),
        ("auth.change_user", {"Administrator"}),
        ("django_q.change_schedule", set()),
    ],
)
def test_each_role_may_do_its_work_and_no_more(permission, allowed):
    assert {role for role in roles.ROLES if can(role, permission)} == allowed


def test_every_permission_named_exists():
    for name, codenames in roles.ROLES.items():
        assert Group.objects.get(name=name).permissions.count() == len(set(codenames)), name


def test_what_was_changed_on_a_role_stays_and_a_missing_one_comes_back():
    Group.objects.get(name="Viewer").permissions.clear()
    Group.objects.get(name="Marketer").delete()
    roles.ensure()
    assert not Group.objects.get(name="Viewer").permissions.exists()
    assert Group.objects.get(name="Marketer").permissions.exists()

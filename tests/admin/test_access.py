"""Who may see and do what: checked on the server, for every page, button and JSON answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django_q.models import OrmQ, Schedule

from syncer.admin.site import SyncAdminSite
from syncer.models import ActivityLogEntry, Conflict, FieldMapping, Person, SyncRun, SyncUser, SyncUserState

Staff = Callable[..., Client]


@pytest.fixture
def pages(person: Person, sync_user: SyncUser) -> dict[str, str]:
    """Every page that shows data, and the permission that it takes."""
    run = SyncRun.objects.create(sync_user=sync_user)
    persons_run = SyncRun.objects.create(sync_user=sync_user, kind="persons", action="sync", person_count=1)
    entry = ActivityLogEntry.objects.create(person_id=person.pk, person_name=str(person), type="New Person", run=run)
    conflict = Conflict.objects.create(
        person_id=person.pk, person_name=str(person), field="title", here="a", there="b", winner="marketo"
    )
    mapping = FieldMapping.objects.get(person_field="title")
    return {
        reverse("admin:syncer_person_changelist"): "view_person",
        reverse("admin:syncer_person_change", args=[person.pk]): "view_person",
        reverse("admin:syncer_person_history", args=[person.pk]): "view_person",
        reverse("admin:syncer_person_add"): "add_person",
        reverse("admin:syncer_person_delete", args=[person.pk]): "delete_person",
        reverse("admin:syncer_person_sync_run", args=[persons_run.pk]): "sync_person",
        reverse("admin:syncer_person_sync_progress", args=[persons_run.pk]): "sync_person",
        reverse("admin:syncer_activitylogentry_changelist"): "view_activitylogentry",
        reverse("admin:syncer_activitylogentry_change", args=[entry.pk]): "view_activitylogentry",
        reverse("admin:syncer_syncrun_changelist"): "view_syncrun",
        reverse("admin:syncer_syncrun_change", args=[run.pk]): "view_syncrun",
        reverse("admin:syncer_conflict_changelist"): "view_conflict",
        reverse("admin:syncer_conflict_change", args=[conflict.pk]): "view_conflict",
        reverse("admin:syncer_syncuser_changelist"): "view_syncuser",
        reverse("admin:syncer_syncuser_change", args=[sync_user.pk]): "view_syncuser",
        reverse("admin:syncer_syncuser_add"): "add_syncuser",
        reverse("admin:syncer_fieldmapping_changelist"): "view_fieldmapping",
        reverse("admin:syncer_fieldmapping_change", args=[mapping.pk]): "view_fieldmapping",
    }


def test_every_page_takes_its_permission(staff: Staff, pages: dict[str, str]) -> None:
    nobody = staff()
    for url, permission in pages.items():
        assert nobody.get(url).status_code == 403, url
        assert staff(permission).get(url).status_code == 200, url


def test_every_page_asks_strangers_to_log_in(client: Client, pages: dict[str, str]) -> None:
    for url in [*pages, reverse("admin:index"), reverse("admin:sync_status")]:
        response = client.get(url)
        assert (response.status_code, response.headers.get("Location", "")[:13]) == (302, "/admin/login/"), url


@pytest.mark.parametrize(
    "name",
    ["sync_now", "sync_pause", "sync_resume", "sync_stop_writing", "sync_allow_writing", "sync_this_installation"],
)
def test_buttons_of_the_dashboard_take_post_and_a_permission(
    staff: Staff, admin: Client, sync_user: SyncUser, name: str
) -> None:
    url = reverse(f"admin:{name}")
    assert staff("view_person").post(url).status_code == 403
    assert admin.get(url).status_code == 405
    assert not OrmQ.objects.exists()
    assert admin.post(url).status_code == 302


@pytest.mark.parametrize("name", ["syncer_person_sync", "syncer_person_refresh"])
def test_syncing_a_person_takes_post_and_a_permission(staff: Staff, admin: Client, person: Person, name: str) -> None:
    url = reverse(f"admin:{name}", args=[person.pk])
    assert staff("view_person", "change_person").post(url).status_code == 403
    assert admin.get(url).status_code == 405
    assert not SyncRun.objects.exists()


def test_the_action_is_neither_offered_to_nor_taken_from_somebody_who_only_looks(staff: Staff, person: Person) -> None:
    viewer, url = staff("view_person"), reverse("admin:syncer_person_changelist")
    assert b"Sync Person to SFDC" not in viewer.get(url).content
    viewer.post(url, {"action": "sync_person", "_selected_action": [person.pk]})
    assert not SyncRun.objects.exists()


def test_everything_that_acts_refuses_a_request_from_elsewhere(sync_user: SyncUser, person: Person) -> None:
    user = User.objects.create_superuser("eva", password="correct horse battery")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    urls = [reverse(f"admin:{name}") for name in ("sync_now", "sync_pause", "sync_resume")]
    urls += [reverse(f"admin:{name}", args=[person.pk]) for name in ("syncer_person_sync", "syncer_person_refresh")]
    for url in urls:
        assert client.post(url).status_code == 403
    assert not OrmQ.objects.exists()
    assert not SyncRun.objects.exists()


def test_what_the_application_wrote_cannot_be_changed_by_hand(admin: Client, pages: dict[str, str]) -> None:
    for url, permission in pages.items():
        if permission in ("view_activitylogentry", "view_syncrun", "view_conflict") and "/change/" in url:
            assert admin.post(url, {}).status_code == 403, url
            assert admin.post(url.replace("/change/", "/delete/"), {"post": "yes"}).status_code == 403, url
            assert admin.get(url.rsplit("/", 3)[0] + "/add/").status_code in (403, 404), url


def test_django_qs_own_pages_are_closed(admin: Client) -> None:
    """Whoever may edit a schedule can have the worker run any Python."""
    site = django_admin.site
    assert isinstance(site._wrapped, SyncAdminSite)  # type: ignore[attr-defined]
    assert not site.is_registered(Schedule)
    for model in ("schedule", "success", "failure", "ormq"):
        with pytest.raises(NoReverseMatch):
            reverse(f"admin:django_q_{model}_changelist")
        assert admin.get(f"/admin/django_q/{model}/").status_code == 404


def test_users_and_groups_stay(admin: Client) -> None:
    assert admin.get(reverse("admin:auth_user_changelist")).status_code == 200
    assert admin.get(reverse("admin:auth_group_changelist")).status_code == 200


def test_a_page_that_may_only_be_looked_at_shows_custom_values(staff: Staff, person: Person) -> None:
    page = staff("view_person").get(reverse("admin:syncer_person_change", args=[person.pk])).content.decode()
    assert "1250.00" in page
    assert 'name="title"' not in page
    assert "Sync Person to SFDC</button>" not in page


def test_the_timeline_takes_the_permission_for_the_log(staff: Staff, person: Person) -> None:
    ActivityLogEntry.objects.create(person_id=person.pk, type="New Person", summary="Came from the fair.")
    url = reverse("admin:syncer_person_change", args=[person.pk])
    assert b"Came from the fair." not in staff("view_person").get(url).content
    assert b"Came from the fair." in staff("view_person", "view_activitylogentry").get(url).content


def test_somebody_without_permissions_gets_a_dashboard_without_data(staff: Staff, person: Person) -> None:
    page = staff().get(reverse("admin:index")).content.decode()
    assert "Sync errors" not in page
    assert "Sync now" not in page
    assert "Ask an administrator" in page


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("Viewer", set()),
        ("Marketer", {"sync", "refresh", "sync-now", "edit"}),
        ("Administrator", {"sync", "refresh", "sync-now", "edit", "pause", "connections"}),
    ],
)
def test_what_each_role_may_do(person: Person, sync_user: SyncUser, role: str, may: set[str]) -> None:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    sync_user.set_state(SyncUserState.REFUSED, "Nothing leaves this test.")
    page = reverse("admin:syncer_person_change", args=[person.pk])
    connection = reverse("admin:syncer_syncuser_change", args=[sync_user.pk])
    done = {
        "sync": client.post(reverse("admin:syncer_person_sync", args=[person.pk])),
        "refresh": client.post(reverse("admin:syncer_person_refresh", args=[person.pk])),
        "sync-now": client.post(reverse("admin:sync_now")),
        "pause": client.post(reverse("admin:sync_pause")),
        "edit": client.post(page, {}),
        "connections": client.post(connection, {}),
    }
    assert {name for name, response in done.items() if response.status_code != 403} == may
    for url in (page, connection, reverse("admin:index"), reverse("admin:syncer_syncrun_changelist")):
        assert client.get(url).status_code == 200
    buttons = client.get(page).content.decode() + client.get(reverse("admin:index")).content.decode()
    assert ("Sync Person to SFDC</button>" in buttons) == ("sync" in may)
    assert (">Sync now</button>" in buttons) == ("sync-now" in may)
    assert (">Resume</button>" in buttons or ">Try again</button>" in buttons) == ("pause" in may)

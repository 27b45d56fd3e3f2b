"""A database copied from another installation does not sync until a person says which one is the active one."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from syncer import schedule
from syncer.admin.dashboard.status import status
from syncer.models import Installation, Person, SyncRun
from syncer.sync.errors import CannotSync
from syncer.sync.upkeep import access_check

pytestmark = pytest.mark.django_db


@pytest.fixture
def copied(settings, cycle):
    """The database has synced in one installation and is now used in another."""
    settings.INSTALLATION_ID = "production"
    cycle()
    settings.INSTALLATION_ID = "test"


def said(*options: str) -> str:
    out = StringIO()
    call_command("resumesync", *options, stdout=out, stderr=out)
    return out.getvalue()


def test_the_first_connection_makes_the_database_this_installations(settings, cycle):
    settings.INSTALLATION_ID = "production"
    cycle()
    assert Installation.objects.get().identity == "production"
    cycle()
    assert Installation.objects.count() == 1


def test_without_an_id_nothing_is_checked(settings, cycle):
    settings.INSTALLATION_ID = "production"
    cycle()
    settings.INSTALLATION_ID = ""
    cycle()
    assert Installation.objects.get().identity == "production"


def test_a_copy_does_not_talk_to_salesforce(sandbox, sync_user, cycle, sync_person, copied):
    sandbox.clear_requests()
    runs = SyncRun.objects.count()
    person = Person.objects.create(last_name="Ode", company="Acme")
    sync_user.refresh_from_db()
    for use in (
        cycle,
        lambda: sync_person(person),
        lambda: access_check.test_connection(sync_user, sandbox.open_session),
        lambda: access_check.refresh_fields(sync_user, actor="Eva", open_session=sandbox.open_session),
    ):
        with pytest.raises(CannotSync, match="installation production, and this is test") as refused:
            use()
        assert refused.value.code == "COPIED_DATABASE"
        assert "\n" not in refused.value.message
    assert sandbox.api_calls == 0
    assert SyncRun.objects.count() == runs
    assert sandbox.count() == 0


def test_a_command_says_which_one_is_active(settings, cycle, copied):
    with pytest.raises(SystemExit):
        said()
    assert "This installation syncs from now on." in said("--this-installation")
    when = schedule.next_run()
    assert when is not None
    assert when <= timezone.now()
    cycle()
    settings.INSTALLATION_ID = "production"
    with pytest.raises(CannotSync):
        cycle()


def test_saying_so_of_the_active_one_changes_nothing(settings, cycle):
    settings.INSTALLATION_ID = "production"
    cycle()
    since = Installation.objects.get().since
    assert "not paused" in said("--this-installation")
    assert Installation.objects.get().since == since


def test_the_dashboard_says_so_and_an_administrator_decides(copied, cycle, admin_client, client, django_user_model):
    assert status().line == "Stopped: this database was copied from the installation production."
    assert "This installation syncs from now on" in admin_client.get(reverse("admin:index")).content.decode()
    url = reverse("admin:sync_this_installation")
    marketer = django_user_model.objects.create_user("kim", is_staff=True)
    client.force_login(marketer, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(url).status_code == 403
    assert "This installation syncs from now on" not in client.get(reverse("admin:index")).content.decode()
    assert admin_client.get(url).status_code == 405
    Schedule.objects.update(next_run=None)
    admin_client.post(url)
    assert Installation.objects.get().identity == "test"
    assert status().level != "bad"
    cycle()

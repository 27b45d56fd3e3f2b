"""API calls: what was used is booked, and a share of the day's calls is left to other applications."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from syncer.models import ApiUsage, SyncUser
from syncer.salesforce.client import Org
from syncer.salesforce.usage import DailyUsage
from syncer.sync.errors import ReserveReached


def check_reserve(sync_user: SyncUser, org: Org) -> None:
    """Before an action on persons: raises ReserveReached when the organisation's API calls are used up to the share
    that is left to others. What an earlier call was told may be outdated: it is asked for again before anybody is
    refused."""
    share = sync_user.action_share
    if org.api_usage is None and (told := _last_told(sync_user)) is not None and told.reaches(share):
        org.get("limits")
    if org.api_usage is not None and org.api_usage.reaches(share):
        raise ReserveReached("Actions on persons", share, org.api_usage)


def _last_told(sync_user: SyncUser) -> DailyUsage | None:
    """What Salesforce last told of the use by all apps together, within the 24 hours that it counts."""
    since = timezone.now() - timedelta(hours=24)
    told = ApiUsage.objects.filter(sync_user=sync_user, hour__gt=since).order_by("-hour").first()
    if told is None or told.org_used is None or told.org_limit is None:
        return None
    return DailyUsage(told.org_used, told.org_limit)


def book_api_calls(sync_user: SyncUser, org: Org) -> None:
    """Add this connection's calls to the ledger of the hour."""
    if not org.api_calls:
        return
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    usage = org.api_usage
    row, _ = ApiUsage.objects.get_or_create(sync_user=sync_user, hour=hour)
    ApiUsage.objects.filter(pk=row.pk).update(
        calls=F("calls") + org.api_calls,
        org_used=usage.used if usage else None,
        org_limit=usage.limit if usage else None,
    )

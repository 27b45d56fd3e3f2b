"""Who is in the database: persons, and the Salesforce ids that lead to them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import connections, models, router, transaction
from django.db.models.functions import Now
from django.utils import timezone

from syncer.models.expressions import PatchJSON, RandomUUID


class SfdcType(models.TextChoices):
    """The kind of Salesforce record that a person is linked to (Marketo's *SFDC Type*)."""

    NONE = "", "Not in Salesforce"
    LEAD = "Lead", "Lead"
    CONTACT = "Contact", "Contact"


def _text(label: str, length: int = 255, **options: Any) -> models.CharField[str, str]:
    return models.CharField(label, max_length=length, blank=True, default="", db_default="", **options)


class PersonQuerySet(models.QuerySet["Person"]):
    """Persons; whoever deletes some locks them first."""

    def delete(self) -> tuple[int, dict[str, int]]:
        """As whoever edits persons, and the sync, lock them before anything that hangs on them: Django would begin with
        that, and two who want the same rows in another order end each other."""
        with transaction.atomic(using=self.db):
            if connections[self.db].features.has_select_for_update:
                mine = Person._base_manager.using(self.db).filter(pk__in=self.order_by().values("pk"))
                for _ in mine.order_by("pk").select_for_update().values_list("pk").iterator():
                    pass
            return super().delete()


class Person(models.Model):
    """A person: the standard fields as columns, custom fields in ``custom``, and the link to Salesforce.

    ``revision`` is raised by a database trigger on every change, whatever path it took (``syncer.models.triggers``);
    nothing else may write it. An *edit* is a value that differs from what its writer read, so ``save()`` writes only
    what was changed on this instance since it was loaded, and patches ``custom`` key by key.

    ``unsubscribed``, ``do_not_call`` and ``person_score`` have three states: ``None`` means that nobody ever set them.
    """

    uuid = models.UUIDField("UUID", default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    revision = models.BigIntegerField(default=1, db_default=1, editable=False)

    email = models.EmailField("e-mail", max_length=255, blank=True, default="", db_default="")
    first_name = _text("first name")
    last_name = _text("last name")
    salutation = _text("salutation")
    title = _text("title")
    company = _text("company")
    phone = _text("phone")
    mobile_phone = _text("mobile phone")
    fax = _text("fax")
    website = _text("website")
    street = models.TextField("street", blank=True, default="", db_default="")
    city = _text("city")
    state = _text("state or province")
    postal_code = _text("postal code")
    country = _text("country")
    lead_source = _text("lead source")
    lead_status = _text("lead status")
    industry = _text("industry")
    rating = _text("rating")
    # Salesforce's AnnualRevenue is currency(18,0): whole units. A float would lose digits above 2**53.
    annual_revenue = models.BigIntegerField("annual revenue", null=True, blank=True)
    number_of_employees = models.BigIntegerField("number of employees", null=True, blank=True)
    description = models.TextField("description", blank=True, default="", db_default="")
    unsubscribed = models.BooleanField("unsubscribed", null=True, blank=True)
    do_not_call = models.BooleanField("do not call", null=True, blank=True)
    person_score = models.BigIntegerField("person score", null=True, blank=True)
    custom = models.JSONField("custom fields", default=dict, blank=True, db_default={})

    sfdc_type = models.CharField(
        "SFDC type", max_length=10, choices=SfdcType, blank=True, default="", db_default="", editable=False
    )
    sfdc_id = models.CharField("SFDC id", max_length=18, blank=True, default="", db_default="", editable=False)
    sfdc_is_deleted = models.BooleanField("deleted in Salesforce", default=False, db_default=False, editable=False)
    created_at = models.DateTimeField("created", default=timezone.now, db_default=Now(), editable=False)
    updated_at = models.DateTimeField("last changed", default=timezone.now, db_default=Now(), editable=False)

    objects = PersonQuerySet.as_manager()

    #: Columns that are not values of the person: changing them is nothing to send to Salesforce.
    BOOKKEEPING = frozenset(
        {"id", "uuid", "revision", "sfdc_type", "sfdc_id", "sfdc_is_deleted", "created_at", "updated_at"}
    )

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "persons"
        permissions = [
            ("sync_person", "Can run Sync Person to SFDC and its sister actions, except Delete from SFDC"),
            ("delete_from_sfdc", "Can run Delete from SFDC"),
        ]
        constraints = [
            # A record is linked to one person; also the look-up of a person by Salesforce id.
            models.UniqueConstraint(
                fields=["sfdc_id"], condition=~models.Q(sfdc_id=""), name="syncer_person_sfdc_id_unique"
            ),
        ]
        indexes = [
            # Matching of incoming records by e-mail address, case-insensitive; the admin's search by e-mail.
            models.Index(models.functions.Lower("email"), name="syncer_person_email_lower"),
            # The admin's list: last changed first, and its filter by SFDC type.
            models.Index(fields=["-updated_at", "-id"], name="syncer_person_updated"),
            models.Index(fields=["sfdc_type", "-updated_at"], name="syncer_person_type"),
            # Persons who are not in Salesforce, for "create leads automatically".
            models.Index(fields=["id"], condition=models.Q(sfdc_type=""), name="syncer_person_unlinked"),
            # The admin's search by name.
            models.Index(models.functions.Lower("last_name"), name="syncer_person_last_name"),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email or f"Person {self.pk}"

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Insert, or write only the columns changed since loading and only the keys of ``custom`` that changed.

        A second writer's change to another field, or to another custom field, is therefore never undone.
        """
        if self._state.adding or "_loaded" not in self.__dict__ or kwargs.get("force_insert"):
            super().save(*args, update_fields=update_fields, **kwargs)
            self._remember([f.attname for f in self._meta.concrete_fields])
            return
        changed = self._changed(update_fields)
        if not changed:
            return
        if "updated_at" not in changed:
            self.updated_at = timezone.now()
            changed.append("updated_at")
        custom = self.custom
        if "custom" in changed and not hasattr(custom, "resolve_expression"):
            self.custom = PatchJSON("custom", self._custom_patch())
        try:
            super().save(*args, update_fields=changed, **kwargs)
        finally:
            self.custom = custom
        self._remember(changed)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Lock the person first, as ``PersonQuerySet.delete`` does."""
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using):
            type(self)._base_manager.using(using).select_for_update().filter(pk=self.pk).first()
            return super().delete(*args, **kwargs)

    @property
    def full_name(self) -> str:
        return " ".join(part for part in (self.first_name, self.last_name) if part)

    # -- saving only what was edited ---------------------------------------------------------------------------

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:
        instance = super().from_db(db, field_names, values)
        instance._remember(field_names)
        return instance

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Any] | None = None,
    ) -> None:
        names = None if fields is None else list(fields)
        super().refresh_from_db(using=using, fields=names, from_queryset=from_queryset)
        self._remember(names if names is not None else [f.attname for f in self._meta.concrete_fields])

    def _changed(self, update_fields: Iterable[str] | None) -> list[str]:
        """The columns that were changed on this instance since it was loaded, of those that may be written."""
        loaded = self.__dict__["_loaded"]
        allowed = None if update_fields is None else set(update_fields)
        return [
            f.attname
            for f in self._meta.concrete_fields
            if f.attname in self.__dict__
            and f.attname != "revision"
            and self.__dict__[f.attname] != loaded.get(f.attname, _MISSING)
            and (allowed is None or f.attname in allowed or f.name in allowed)
        ]

    def _custom_patch(self) -> dict[str, Any]:
        """The custom fields that were changed; None for one that was removed."""
        old, new = self.__dict__["_loaded"].get("custom") or {}, self.custom or {}
        return {key: new.get(key) for key in set(old) | set(new) if old.get(key) != new.get(key)}

    def _remember(self, names: Iterable[str]) -> None:
        loaded: dict[str, Any] = self.__dict__.setdefault("_loaded", {})
        for name in names:
            if name in self.__dict__:
                value = self.__dict__[name]
                loaded[name] = dict(value) if isinstance(value, dict) else value

    def clean(self) -> None:
        if not isinstance(self.custom, dict):
            raise ValidationError({"custom": "Custom fields are an object of names and values."})


_MISSING = object()


class FormerId(models.Model):
    """A Salesforce id that a person had before (converted Lead, merged record, new Lead): it still finds them."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="former_ids")
    organisation = models.CharField(max_length=18)
    object = models.CharField(max_length=10, choices=SfdcType)
    record_id = models.CharField("former SFDC id", max_length=18)
    reason = models.CharField(max_length=40)
    read_sequence = models.BigIntegerField(default=0, db_default=0)  # what was asked for before is older than this
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "former Salesforce id"
        constraints = [
            # One person per former id; the look-up when Salesforce still names it.
            models.UniqueConstraint(fields=["organisation", "record_id", "object"], name="syncer_former_id_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.object} {self.record_id}"


class Tombstone(models.Model):
    """A person deleted here whose record stays in Salesforce: back only when the record changes after ``stamp``, the
    organisation's time. None: nothing was known of the record; the first reading tells how it was.

    Written by a database trigger when a link disappears with its person, so no path of deleting misses it.
    """

    organisation = models.CharField(max_length=18)
    object = models.CharField(max_length=10)
    record_id = models.CharField(max_length=18)
    stamp = models.DateTimeField(null=True)
    read_sequence = models.BigIntegerField(default=0, db_default=0)  # that of the link
    deleted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "record_id"], name="syncer_tombstone_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.object} {self.record_id}"

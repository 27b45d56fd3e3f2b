"""What is mapped without anybody asking, and to which field of the person.

A field is who it is by its API name, on both objects and in any case of its letters: labels are alike by chance, and no
order of a describe means anything. A field whose place is another one's gets a field of the person of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from syncer.models import FieldMapping, SyncUser
from syncer.salesforce.describe import FieldDescribe, ObjectDescribe
from syncer.salesforce.kinds import kind_of
from syncer.sync.fields.synced_objects import OBJECTS, SYNCED
from syncer.sync.fields.types import lossless, why_not_kept

SCORE = "person_score"
#: How the field of the score is labelled, in small letters.
SCORE_LABEL = "lead score"


def same_field(one: str, other: str) -> bool:
    """Whether two API names are one: Salesforce takes no notice of the case of their letters."""
    return one.lower() == other.lower()


def wanted(
    sync_user: SyncUser, sobject: str, visible: Mapping[str, FieldDescribe], mappings: Sequence[FieldMapping]
) -> dict[str, str]:
    """The mappings that the application makes by itself for fields of this object that have none: Salesforce field →
    field of the person. ``visible``: what the sync user sees of it. ``mappings``: those of both objects.

    The default ones and the score come first, then every custom field.
    """
    own = [m for m in mappings if m.object == sobject]
    mapped = {m.salesforce_field.lower() for m in own}
    taken = {m.person_field.lower() for m in own}
    places = {name: column for name, column in SYNCED[sobject].default_mapping.items() if name in visible}
    score = score_field(sync_user, mappings)
    custom = [f for f in visible.values() if is_own_custom(f) and not same_field(f.name, sync_user.external_id_field)]
    places |= {f.name: SCORE for f in custom if same_field(f.name, score)}
    found: dict[str, str] = {}
    for name in [*places, *sorted(f.name for f in custom if f.name not in places)]:
        if name.lower() in mapped:
            continue
        place = places.get(name)
        if place is None or place in taken:
            place = own_key(sobject, visible[name], mappings, taken)
        found[name] = place
        taken.add(place.lower())
    return found


def own_key(
    sobject: str, seen: FieldDescribe, mappings: Iterable[FieldMapping], taken: Collection[str] = frozenset()
) -> str:
    """The key of a field of its own on the person: that of the field of the same name of the other object, where values
    of both fit one field, else its own name; with its object before it where others have that place (``taken``, in
    small letters)."""
    others = [m for m in mappings if m.object != sobject]
    twin = next((m for m in others if same_field(m.salesforce_field, seen.name)), None)
    if twin is not None and _fits(twin, seen) and twin.person_field.lower() not in taken:
        return twin.person_field
    holders = [m for m in others if same_field(m.person_field, seen.name)]
    if seen.name.lower() not in taken and all(_fits(m, seen) for m in holders):
        return seen.name
    return f"{sobject}.{seen.name}"


def _fits(other: FieldMapping, seen: FieldDescribe) -> bool:
    if why_not_kept(other.person_field, seen):
        return False
    return not other.described or lossless(FieldDescribe.from_dict(other.described), seen)


def is_own_custom(seen: FieldDescribe) -> bool:
    """Whether it is a custom field with a value of its own; the parts of a compound one are fields themselves."""
    return seen.custom and not kind_of(seen).compound


# -- the score --------------------------------------------------------------------------------------------------------


def score_field(sync_user: SyncUser, mappings: Iterable[FieldMapping]) -> str:
    """The API name of the person's score on both objects: of the field that is it already (somebody may have chosen
    it), else of the one field that is labelled so; nothing where there are several."""
    chosen = sorted({m.salesforce_field.lower() for m in mappings if m.person_field == SCORE})
    if chosen:
        return chosen[0] if len(chosen) == 1 else ""
    candidates = score_candidates(sync_user)
    return candidates[0] if len(candidates) == 1 else ""


def score_candidates(sync_user: SyncUser) -> list[str]:
    """The API names of all number fields labelled *Lead Score*, of leads and of contacts."""
    stored = sync_user.described.filter(name__in=OBJECTS)
    fields = [f for row in stored for f in ObjectDescribe.from_dict(row.description).fields.values()]
    names = {f.name.lower(): f.name for f in fields if is_own_custom(f) and _is_labelled_as_score(f)}
    return sorted(names.values())


def _is_labelled_as_score(seen: FieldDescribe) -> bool:
    return kind_of(seen).family == "number" and seen.label.strip().lower() == SCORE_LABEL


# -- what does not have its place -------------------------------------------------------------------------------------


def collisions(mappings: Iterable[FieldMapping]) -> dict[int, str]:
    """Fields that were mapped by themselves and do not have the place that they would have: the id of each mapping, and
    one sentence on why. ``mappings``: those of both objects."""
    live = [m for m in mappings if m.enabled and m.readable]
    holders = {(m.object, m.person_field): m for m in live}
    twins: dict[str, list[FieldMapping]] = {}
    for m in live:
        twins.setdefault(m.salesforce_field.lower(), []).append(m)
    scores = [m for m in live if m.person_field == SCORE]
    found = {m.pk: _collision(m, holders, twins[m.salesforce_field.lower()], scores) for m in live if m.automatic}
    return {pk: sentence for pk, sentence in found.items() if sentence}


def _collision(
    mapping: FieldMapping,
    holders: Mapping[tuple[str, str], FieldMapping],
    twins: Iterable[FieldMapping],
    scores: Sequence[FieldMapping],
) -> str:
    name, key = mapping.salesforce_field, mapping.person_field
    place = SYNCED[mapping.object].default_mapping.get(name, key)
    if place != key and (holder := holders.get((mapping.object, place))) is not None:
        return f"Its place is taken by {holder.salesforce_field}: kept beside it, as {key}."
    if key == SCORE:
        other = next((m for m in scores if not same_field(m.salesforce_field, name)), None)
        return f"The score of {other.object.lower()}s is another field, {other.salesforce_field}." if other else ""
    if not scores and mapping.label.strip().lower() == SCORE_LABEL:
        return "Several fields are labelled Lead Score: none is the person score until somebody says which."
    apart = next((m for m in twins if m.object != mapping.object and m.person_field not in (key, SCORE)), None)
    if apart is None:
        return ""
    return f"Kept apart from {apart.object}.{apart.salesforce_field}: {key} here, {apart.person_field} there."

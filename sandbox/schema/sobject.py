"""One object: its fields and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sandbox.schema.field import Field

#: fields that make up the compound address fields, in the order of their JSON keys
ADDRESS_PARTS = {
    "city": "City",
    "country": "Country",
    "countryCode": "CountryCode",
    "geocodeAccuracy": "GeocodeAccuracy",
    "latitude": "Latitude",
    "longitude": "Longitude",
    "postalCode": "PostalCode",
    "state": "State",
    "stateCode": "StateCode",
    "street": "Street",
}


def place_parts(compound: str) -> dict[str, str]:
    """The JSON keys of a custom geolocation field and the fields that it is made of."""
    name = compound.removesuffix("__c")
    return {"latitude": f"{name}__Latitude__s", "longitude": f"{name}__Longitude__s"}


@dataclass(frozen=True)
class SObject:
    """An object as one user sees it (or, in the full schema, as it is)."""

    name: str
    label: str
    label_plural: str
    key_prefix: str
    fields: dict[str, Field]
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    undeletable: bool = True
    mergeable: bool = False
    replicateable: bool = True
    searchable: bool = True
    layoutable: bool = True
    triggerable: bool = True
    _by_lower: dict[str, Field] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._by_lower.update((name.lower(), item) for name, item in self.fields.items())

    def field(self, name: str) -> Field | None:
        """The field of this name, in any case; None if there is none."""
        return self._by_lower.get(name.lower())

    def relationship(self, name: str) -> Field | None:
        """The reference field behind a relationship name such as ``Owner``."""
        lowered = name.lower()
        for item in self.fields.values():
            if item.relationship_name and item.relationship_name.lower() == lowered and item.reference_to:
                return item
        return None

    def has(self, name: str) -> bool:
        """Whether it has a field of this exact name."""
        return name in self.fields

    def with_fields(self, fields: dict[str, Field]) -> SObject:
        """The same object with other fields."""
        return replace(self, fields=fields, _by_lower={})

    def name_fields(self) -> tuple[str, ...]:
        """The fields that its record name is put together from."""
        names = ("FirstName", "LastName")
        return names if all(self.has(name) and self.fields[name].stored for name in names) else ()

    def address_parts(self, compound: str) -> dict[str, str]:
        """The JSON keys of a compound address or place and the fields behind them."""
        if compound.endswith("__c"):
            return {key: part for key, part in place_parts(compound).items() if self.has(part)}
        prefix = compound.removesuffix("Address")
        return {key: prefix + part for key, part in ADDRESS_PARTS.items() if self.has(prefix + part)}

"""The JSON of describe: global, basic information and per object.

Source: REST API Developer Guide, "Describe Global", "sObject Describe".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.schema.catalog import View
from sandbox.schema.field import Field, PicklistValue
from sandbox.schema.sobject import SObject

#: names of the child relationships that the standard objects have
_CHILDREN = {
    ("Contact", "AccountId"): "Contacts",
    ("Contact", "ReportsToId"): "DirectReports",
    ("Account", "ParentId"): "ChildAccounts",
    ("CampaignMember", "CampaignId"): "CampaignMembers",
    ("CampaignMember", "LeadId"): "CampaignMembers",
    ("CampaignMember", "ContactId"): "CampaignMembers",
    ("Campaign", "ParentId"): "ChildCampaigns",
}
#: keys that have the same value for every field, because the sandbox has nothing that they tell of
_SAME_FOR_ALL: dict[str, Any] = {
    "aiPredictionField": False,
    "cascadeDelete": False,
    "defaultValueFormula": None,
    "deprecatedAndHidden": False,
    "displayLocationInDecimal": False,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "highScaleNumber": False,
    "referenceTargetField": None,
    "relationshipOrder": None,
    "restrictedDelete": False,
    "writeRequiresMasterRead": False,
}


def child_relationship(item: SObject, field: Field) -> str | None:
    """The name under which a parent lists the records that this field points from."""
    if field.custom and field.relationship_name:
        return field.relationship_name
    return _CHILDREN.get((item.name, field.name))


def _picklist_value(value: PicklistValue) -> dict[str, Any]:
    return {
        "active": value.active,
        "defaultValue": value.default,
        "label": value.label,
        "validFor": value.valid_for,
        "value": value.value,
    }


def describe_field(field: Field) -> dict[str, Any]:
    """The 57 keys that a field has in a describe, in their order."""
    picklist_default = next((value.value for value in field.picklist_values if value.default), None)
    keys = {
        **_SAME_FOR_ALL,
        "aggregatable": field.filterable and field.kind.aggregatable,
        "autoNumber": field.auto_number,
        "byteLength": field.byte_length,
        "calculated": field.calculated,
        "calculatedFormula": field.formula,
        "caseSensitive": field.case_sensitive,
        "compoundFieldName": field.compound_field_name,
        "controllerName": field.controller,
        "createable": field.createable,
        "custom": field.custom,
        "defaultValue": bool(field.default) if field.type == "boolean" else field.default or picklist_default,
        "defaultedOnCreate": field.defaulted_on_create,
        "dependentPicklist": field.controller is not None,
        "digits": field.digits,
        "encrypted": field.type == "encryptedstring",
        "externalId": field.external_id,
        "extraTypeInfo": _extra_type(field),
        "filterable": field.filterable,
        "groupable": field.groupable,
        "htmlFormatted": field.html_formatted,
        "idLookup": field.id_lookup,
        "inlineHelpText": field.help_text,
        "label": field.label,
        "length": field.length,
        "mask": {"asterisk": "*", "X": "X"}.get(field.mask_char or ""),
        "maskType": field.mask_type,
        "name": field.name,
        "nameField": field.name == "Name",
        "namePointing": len(field.reference_to) > 1,
        "nillable": field.nillable,
        "permissionable": field.permissionable,
        "picklistValues": [_picklist_value(value) for value in field.picklist_values],
        "polymorphicForeignKey": len(field.reference_to) > 1,
        "precision": field.precision,
        "queryByDistance": field.is_compound,
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship_name,
        "restrictedPicklist": field.restricted_picklist,
        "scale": field.scale,
        "searchPrefilterable": field.type == "reference",
        "soapType": field.kind.soap_type,
        "sortable": field.sortable,
        "type": field.type,
        "unique": field.unique,
        "updateable": field.updateable,
    }
    return dict(sorted(keys.items()))


def _extra_type(field: Field) -> str | None:
    if field.name in ("FirstName", "LastName", "Salutation") and field.compound_field_name == "Name":
        return None
    if field.type == "textarea" and field.html_formatted:
        return "richtextarea"
    return "plaintextarea" if field.type == "textarea" else None


def summary(item: SObject, version: str) -> dict[str, Any]:
    """The entry of an object in the global describe."""
    base = f"/services/data/v{version}/sobjects/{item.name}"
    urls = {"rowTemplate": f"{base}/{{ID}}", "describe": f"{base}/describe", "sobject": base}
    if item.layoutable:
        urls |= {"layouts": f"{base}/describe/layouts", "approvalLayouts": f"{base}/describe/approvalLayouts"}
        urls |= {"compactLayouts": f"{base}/describe/compactLayouts", "quickActions": f"{base}/quickActions"}
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": item.createable,
        "custom": False,
        "customSetting": False,
        "deepCloneable": False,
        "deletable": item.deletable,
        "deprecatedAndHidden": False,
        "feedEnabled": item.layoutable,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": item.key_prefix,
        "label": item.label,
        "labelPlural": item.label_plural,
        "layoutable": item.layoutable,
        "mergeable": item.mergeable,
        "mruEnabled": item.layoutable,
        "name": item.name,
        "queryable": True,
        "replicateable": item.replicateable,
        "retrieveable": True,
        "searchable": item.searchable,
        "triggerable": item.triggerable,
        "undeletable": item.undeletable,
        "updateable": item.updateable,
        "urls": urls,
    }


def global_describe(view: View, version: str) -> dict[str, Any]:
    """Every object that the user may see."""
    entries = [summary(item, version) for _, item in sorted(view.objects.items())]
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": entries}


def _child_relationships(item: SObject, view: View) -> list[dict[str, Any]]:
    children = []
    for child in sorted(view.objects.values(), key=lambda other: other.name):
        for field in child.fields.values():
            if item.name in field.reference_to:
                children.append(
                    {
                        "cascadeDelete": child.name in ("CampaignMember", "CampaignMemberStatus"),
                        "childSObject": child.name,
                        "deprecatedAndHidden": False,
                        "field": field.name,
                        "junctionIdListNames": [],
                        "junctionReferenceTo": [],
                        "relationshipName": child_relationship(child, field),
                        "restrictedDelete": False,
                    }
                )
    return children


def _record_types(base: str, given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The record types, and the master that stands for none."""
    master = {"id": "012000000000000AAA", "name": "Master", "developer_name": "Master", "active": True}
    chosen = any(each["default"] for each in given)
    return [
        {
            "active": each["active"],
            "available": each["active"],
            "defaultRecordTypeMapping": bool(each.get("default", not chosen)),
            "developerName": each["developer_name"],
            "master": each is master,
            "name": each["name"],
            "recordTypeId": each["id"],
            "urls": {"layout": f"{base}/describe/layouts/{each['id']}"},
        }
        for each in (*given, master)
    ]


def object_describe(
    item: SObject,
    view: View,
    version: str,
    first: Sequence[str] = (),
    record_types: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One object with all its fields, these in front, and its record types."""
    fields = [item.fields[name] for name in first if item.has(name)]
    fields += [field for field in item.fields.values() if field not in fields]
    entry = summary(item, version)
    base = f"/services/data/v{version}/sobjects/{item.name}"
    entry["urls"] = {
        **entry["urls"],
        "uiEditTemplate": "/{ID}/e",
        "uiDetailTemplate": "/{ID}",
        "uiNewRecord": f"/{item.key_prefix}/e",
    }
    entry |= {
        "actionOverrides": [],
        "childRelationships": _child_relationships(item, view),
        "compactLayoutable": item.layoutable,
        "defaultImplementation": None,
        "extendedBy": None,
        "extendsInterfaces": None,
        "fields": [describe_field(field) for field in fields],
        "implementedBy": None,
        "implementsInterfaces": None,
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": _record_types(base, record_types),
        "searchLayoutable": item.searchable,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {item.label_plural.lower()}", "name": "everything"}],
    }
    return dict(sorted(entry.items()))

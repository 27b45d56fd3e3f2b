"""Validation rules, duplicate rules, assignment, flows, limits and switches."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.control.given import field, sobject, user
from sandbox.dml import checks, flows
from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError
from sandbox.org import Org
from sandbox.schema.sobject import SObject
from sandbox.soql.cursors import BATCH
from sandbox.soql.parser import MAX_QUERY
from sandbox.users import SYSTEM_USER


def add_rule(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, name, when, field?, message}``: saves after which ``when`` holds fail. One rule per name."""
    item = sobject(org, given["object"])
    rule = {
        "object": item.name,
        "name": str(given["name"]),
        "when": str(given["when"]),
        "message": str(given["message"]),
    }
    if given.get("field"):
        rule["field"] = field(item, given["field"]).name
    # a condition that cannot be compiled is refused now, not at the next save
    checks.matches(Saver(org, SYSTEM_USER), item, "", rule["when"])
    _put(org.settings.validation_rules, rule)
    org.save_settings()
    return rule


def _put(rules: list[dict[str, Any]], rule: dict[str, Any]) -> None:
    rules[:] = [other for other in rules if (other["object"], other["name"]) != (rule["object"], rule["name"])]
    rules.append(rule)


def _remove(rules: list[dict[str, Any]], given: dict[str, Any]) -> None:
    rules[:] = [
        rule
        for rule in rules
        if (given.get("object", rule["object"]).lower(), given.get("name", rule["name"]))
        != (rule["object"].lower(), rule["name"])
    ]


def list_rules(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """All validation rules."""
    return {"rules": org.settings.validation_rules}


def remove_rules(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """All of them, or those of ``object`` and ``name``."""
    _remove(org.settings.validation_rules, given)
    org.save_settings()
    return list_rules(org, {})


def add_duplicate_rule(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, name, fields?, matches?, action: "block"|"allow", message?}``.

    By default the same e-mail address in the same object blocks.
    """
    item = sobject(org, given["object"])
    action = str(given.get("action", "block"))
    if action not in ("block", "allow"):
        raise ValueError("action must be block or allow")
    fields = [field(item, name).name for name in given.get("fields") or ["Email"]]
    rule = {
        "object": item.name,
        "name": str(given.get("name") or f"Standard_{item.name}_Duplicate_Rule"),
        "fields": fields,
        "matches": [sobject(org, name).name for name in given.get("matches") or [item.name]],
        "action": action,
        "message": given.get("message"),
    }
    _put(org.settings.duplicate_rules, rule)
    org.save_settings()
    return rule


def list_duplicate_rules(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """All duplicate rules."""
    return {"rules": org.settings.duplicate_rules}


def remove_duplicate_rules(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """All of them, or those of ``object`` and ``name``."""
    _remove(org.settings.duplicate_rules, given)
    org.save_settings()
    return list_duplicate_rules(org, {})


def assignment(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{active?, owner?}``: the lead assignment rule; ``owner`` is a user's or a queue's id."""
    settings = org.settings
    if "owner" in given:
        owner = ids.long_form(str(given["owner"])) or ""
        if not (org.users.is_active(owner) or org.users.is_queue_for(owner, "Lead")):
            raise SalesforceError(
                400, "INVALID_CROSS_REFERENCE_KEY", "owner is neither an active user nor a lead queue"
            )
        settings.assignment_owner = owner
    settings.assignment_active = bool(given.get("active", settings.assignment_active))
    org.save_settings()
    return {
        "rule": settings.assignment_rule_id,
        "active": settings.assignment_active,
        "owner": settings.assignment_owner,
    }


def flow(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{object, failing, name?}``: a record-triggered flow that fails every save.

    ``{object, set, name?, when?}``: one that sets fields after each save, to the values of formulas by field.
    """
    item = sobject(org, given["object"])
    name = str(given.get("name") or f"{item.name} after save")
    if "set" in given:
        _put(org.settings.flows, {"object": item.name, "name": name, **_setting(org, item, given)})
    elif given.get("failing", True):
        org.settings.failing_flows[item.name] = name
    else:
        org.settings.failing_flows.pop(item.name, None)
    org.save_settings()
    return list_flows(org, {})


def _setting(org: Org, item: SObject, given: dict[str, Any]) -> dict[str, Any]:
    """What a flow sets and when; refused now if it cannot be compiled, and not at the next save."""
    when = given.get("when")
    if when is not None:
        checks.matches(Saver(org, SYSTEM_USER), item, "", str(when))
    formulas = {field(item, name).name: str(text) for name, text in given["set"].items()}
    unfit = [name for name in formulas if not item.fields[name].stored or item.fields[name].is_id]
    if unfit or not formulas:
        raise ValueError(f"a flow cannot set {', '.join(unfit) or 'nothing'}")
    flows.assignments(item, formulas)
    return {"set": formulas, "when": None if when is None else str(when)}


def list_flows(org: Org, _: dict[str, Any]) -> dict[str, Any]:
    """The flows that fail, by object, and those that set fields."""
    return {"failing": org.settings.failing_flows, "flows": org.settings.flows}


def remove_flows(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """All of them, or those of ``object`` and ``name``."""
    _remove(org.settings.flows, given)
    wanted = sobject(org, given["object"]).name if "object" in given else None
    for name in list(org.settings.failing_flows):
        if wanted in (None, name) and given.get("name") in (None, org.settings.failing_flows[name]):
            del org.settings.failing_flows[name]
    org.save_settings()
    return list_flows(org, {})


def limits(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{daily?, concurrent?, page?, formulas?, statement?, url?, url_status?}``.

    ``page``: the most records in one page of a query's answer; ``formulas``: the most formulas in a query, null for any
    number; ``statement`` and ``url``: the most characters; ``url_status``: 414 or 431 for a longer address.
    """
    settings = org.settings
    settings.daily_limit = int(given.get("daily", settings.daily_limit))
    settings.concurrent_limit = int(given.get("concurrent", settings.concurrent_limit))
    settings.page_records = max(1, min(BATCH, int(given.get("page", settings.page_records))))
    formulas = given.get("formulas", settings.query_formulas)
    settings.query_formulas = None if formulas is None else int(formulas)
    settings.query_length = min(MAX_QUERY, int(given.get("statement", settings.query_length)))
    settings.url_length = int(given.get("url", settings.url_length))
    status = int(given.get("url_status", settings.url_status))
    if status not in (414, 431):
        raise ValueError("url_status must be 414 or 431")
    settings.url_status = status
    org.save_settings()
    return {
        "daily": settings.daily_limit,
        "used": org.usage.used(org.clock.now()),
        "concurrent": settings.concurrent_limit,
        "page": settings.page_records,
        "formulas": settings.query_formulas,
        "statement": settings.query_length,
        "url": settings.url_length,
        "url_status": settings.url_status,
    }


def bulk(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{fail_after}``: the next ingest job fails after so many rows; the rest is unprocessed."""
    after = given["fail_after"]
    org.bulk.fail_next_after = None if after is None else int(after)
    return {"fail_after": org.bulk.fail_next_after}


def switches(org: Org, given: dict[str, Any]) -> dict[str, Any]:
    """``{state_country_picklists?, person_accounts?, time_zone?, username?, edit_converted?, view_encrypted?}``."""
    settings = org.settings
    if "time_zone" in given:
        org.switch_time_zone(str(given["time_zone"]))
    persons = bool(given.get("person_accounts", settings.person_accounts))
    if persons != settings.person_accounts:
        org.switch_person_accounts(persons)
    places = bool(given.get("state_country_picklists", settings.state_country_picklists))
    if places != settings.state_country_picklists:
        org.switch_places(places)
    for name in ("edit_converted", "view_encrypted"):
        if name in given:
            user_id = user(org, given["username"])
            holders = [other for other in getattr(settings, name) if other != user_id]
            setattr(settings, name, [*holders, user_id] if given[name] else holders)
    org.save_settings()
    return {
        "state_country_picklists": settings.state_country_picklists,
        "person_accounts": settings.person_accounts,
        "time_zone": settings.time_zone,
        "edit_converted": settings.edit_converted,
        "view_encrypted": settings.view_encrypted,
    }

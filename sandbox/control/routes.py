"""Which control call does what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.control import faults, life, observe, people, profiles, refusals, rules, schema
from sandbox.errors import SalesforceError, not_found
from sandbox.org import Org
from sandbox.wire import Request, Response

Handler = Callable[[Org, dict[str, Any]], Any]

_ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "reset"): observe.reset,
    ("POST", "profile"): profiles.put,
    ("GET", "state"): observe.state,
    ("GET", "requests"): observe.requests,
    ("DELETE", "requests"): observe.clear_requests,
    ("DELETE", "locators"): observe.drop_locators,
    ("POST", "clock"): observe.set_clock,
    ("GET", "clock"): observe.clock,
    ("POST", "limits"): rules.limits,
    ("POST", "rules"): rules.add_rule,
    ("GET", "rules"): rules.list_rules,
    ("DELETE", "rules"): rules.remove_rules,
    ("POST", "duplicate-rules"): rules.add_duplicate_rule,
    ("GET", "duplicate-rules"): rules.list_duplicate_rules,
    ("DELETE", "duplicate-rules"): rules.remove_duplicate_rules,
    ("POST", "refusals"): refusals.refuse,
    ("GET", "refusals"): refusals.list_refusals,
    ("DELETE", "refusals"): refusals.remove_refusals,
    ("POST", "triggers"): refusals.limit_trigger,
    ("GET", "triggers"): refusals.list_triggers,
    ("DELETE", "triggers"): refusals.remove_triggers,
    ("POST", "assignment"): rules.assignment,
    ("POST", "flows"): rules.flow,
    ("GET", "flows"): rules.list_flows,
    ("DELETE", "flows"): rules.remove_flows,
    ("POST", "switches"): rules.switches,
    ("POST", "bulk"): rules.bulk,
    ("POST", "fields"): schema.put_field,
    ("DELETE", "fields"): schema.remove_field,
    ("POST", "record-types"): schema.put_record_type,
    ("POST", "person-accounts"): people.put_person_account,
    ("POST", "field-order"): schema.order_fields,
    ("POST", "access"): schema.set_access,
    ("GET", "access"): schema.list_access,
    ("POST", "users"): people.put_user,
    ("POST", "queues"): people.put_queue,
    ("POST", "campaigns"): people.put_campaign,
    ("POST", "sharing"): people.share,
    ("POST", "move"): people.move,
    ("POST", "sessions"): people.set_sessions,
    ("DELETE", "sessions"): people.end_sessions,
    ("POST", "convert"): life.convert,
    ("POST", "merge"): life.merge,
    ("POST", "undelete"): life.undelete,
    ("POST", "records"): life.put_raw,
    ("POST", "purge"): life.purge,
    ("POST", "refresh"): life.refresh,
    ("POST", "faults"): faults.plan,
    ("GET", "faults"): faults.planned,
    ("DELETE", "faults"): faults.clear,
}


def answer(org: Org, request: Request) -> Response:
    """Answer a control call. A browser's page of another site cannot make one: its Origin is refused."""
    origin = request.headers.get("origin")
    if request.method != "GET" and origin is not None and origin != request.origin:
        raise SalesforceError(403, "FORBIDDEN", "control calls from another site are refused")
    parts = [part for part in request.segments[1:] if part]
    if len(parts) != 1:
        raise not_found(f"there is no control call {'/'.join(parts)}")
    handler = _ROUTES.get((request.method, parts[0]))
    if handler is None:
        if any(name == parts[0] for _, name in _ROUTES):
            raise SalesforceError(
                405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed on {parts[0]}"
            )
        raise not_found(f"there is no control call {parts[0]}")
    given = request.json_object() if request.content().strip() else dict(request.query)
    try:
        with org.database.atomic():
            value = handler(org, given)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"missing {error}" if isinstance(error, KeyError) else str(error)
        raise SalesforceError(400, "INVALID_INPUT", f"{parts[0]}: {reason}") from error
    return Response.json(value)

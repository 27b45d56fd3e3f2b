"""The pages: lists, a record, its form and the buttons. Saving goes through the same rules as the API's."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote as url_quote
from urllib.parse import urlencode

from sandbox import ids
from sandbox.dml import convert, merge, remove, save
from sandbox.dml.context import Saver
from sandbox.errors import SalesforceError, not_found
from sandbox.org import Org
from sandbox.page import around, forms
from sandbox.page.markup import alert, frame, text
from sandbox.page.panel import panel
from sandbox.page.tries import switch
from sandbox.schema.sobject import SObject
from sandbox.soql.ast import Query
from sandbox.soql.scope import Scope
from sandbox.soql.selection import Selection
from sandbox.store.database import quote
from sandbox.users import SALES_USER
from sandbox.wire import Request, Response

_PAGE = 25
_KEY = secrets.token_bytes(32)
_OBJECTS = {"leads": "Lead", "contacts": "Contact"}
_LISTED = {
    "Lead": ("Name", "Company", "Email", "Phone", "Status", "SystemModstamp"),
    "Contact": ("Name", "Title", "Email", "Phone", "Department", "SystemModstamp"),
}
_SEARCHED = ("Name", "Email", "Company", "Phone", "Id")


def answer(org: Org, request: Request) -> Response:
    """Any path outside ``/services`` and ``/sandbox``."""
    parts = [part for part in request.segments if part]
    if not parts:
        return _list(org, request, "leads")
    if parts[0] == "try":
        return _try(org, request, parts[1:])
    if parts[0] in _OBJECTS and len(parts) == 1:
        return _list(org, request, parts[0])
    record_id = ids.long_form(parts[0])
    item = org.catalog.view(SALES_USER).object_of(record_id) if record_id else None
    if record_id is None or item is None or item.name not in _LISTED:
        raise not_found()
    if len(parts) == 1 and request.method in ("GET", "HEAD"):
        return _record(org, item, record_id, saved=request.query.get("said"))
    if len(parts) == 2 and request.method == "POST":
        return _post(org, request, item, record_id, parts[1])
    raise SalesforceError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed")


def _html(org: Org, title: str, current: str, body: str, status: int = 200) -> Response:
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    now = org.clock.now().strftime("%Y-%m-%d %H:%M:%S UTC")
    return Response.text(frame(title, current, body, now), "text/html;charset=UTF-8", status, headers)


# Lists


def _number(value: str | None) -> int:
    return int(value) if value and value.isdigit() and len(value) < 9 else 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which part of which list somebody wants to see."""

    item: SObject
    path: str
    search: str
    start: int
    in_bin: bool

    @property
    def names(self) -> list[str]:
        """The fields that the list shows."""
        return [name for name in _LISTED[self.item.name] if self.item.has(name)]


def _list(org: Org, request: Request, path: str) -> Response:
    if request.method not in ("GET", "HEAD"):
        raise SalesforceError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed")
    asked = _Asked(
        item=org.catalog.view(SALES_USER).objects[_OBJECTS[path]],
        path=path,
        search=request.query.get("q", "").strip()[:200],
        start=_number(request.query.get("from")),
        in_bin="bin" in request.query,
    )
    rows, total = _found(org, asked)
    return _html(org, asked.item.label_plural, asked.item.name, _list_html(asked, rows, total))


def _found(org: Org, asked: _Asked) -> tuple[list[Any], int]:
    """The rows of the page, and how many there are in all."""
    where, parameters = f"IsDeleted = {int(asked.in_bin)}", []
    if asked.search:
        searched = [name for name in _SEARCHED if asked.item.has(name)]
        where += " AND (" + " OR ".join(f"{quote(name)} LIKE ? ESCAPE '\\'" for name in searched) + ")"
        pattern = "%" + asked.search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        parameters = [pattern] * len(searched)
    table = quote(asked.item.name)
    total = org.database.one(f"SELECT COUNT(*) FROM {table} WHERE {where}", parameters)[0]
    columns = ", ".join(quote(name) for name in ("Id", *asked.names))
    sql = (
        f"SELECT {columns} FROM {table} WHERE {where} ORDER BY SystemModstamp DESC, Id LIMIT {_PAGE} "
        f"OFFSET {asked.start}"
    )
    return org.database.execute(sql, parameters).fetchall(), total


def _list_html(asked: _Asked, rows: list[Any], total: int) -> str:
    item, path, names = asked.item, asked.path, asked.names
    head = "".join(f"<th scope=col>{text(_label(item, name))}</th>" for name in names)
    body = "".join(_row(item, names, row) for row in rows)
    if not rows:
        nothing = "Nothing found." if asked.search else "There are no records yet."
        body = f'<tr><td colspan="{len(names)}">{nothing}</td></tr>'
    other = f'<a href="/{path}">Records</a>' if asked.in_bin else f'<a href="/{path}?bin=1">Recycle bin</a>'
    title = f"{item.label_plural} in the recycle bin" if asked.in_bin else item.label_plural
    in_bin = "<input type=hidden name=bin value=1>" if asked.in_bin else ""
    return (
        f"<h1>{title}</h1><p class=sub>Newest change first. {other}</p><div class=card>"
        f'<form class=tools method=get action="/{path}" role=search>'
        "<label for=q>Search by name, e-mail, company, phone or id"
        f'<input id=q name=q type=search value="{text(asked.search)}"></label>{in_bin}<button>Search</button></form>'
        f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{_pages_html(asked, total)}</div>"
    )


def _pages_html(asked: _Asked, total: int) -> str:
    """Where in the list one is, and the ways to the pages before and behind."""

    def link(offset: int, label: str) -> str:
        query = {"q": asked.search, "from": str(offset), **({"bin": "1"} if asked.in_bin else {})}
        return f'<a class="button plain" href="/{asked.path}?{urlencode(query)}">{label}</a>'

    back = link(max(0, asked.start - _PAGE), "Previous") if asked.start else ""
    forth = link(asked.start + _PAGE, "Next") if asked.start + _PAGE < total else ""
    shown = f"{asked.start + 1 if total else 0}–{min(asked.start + _PAGE, total)} of {total}"
    return f"<div class=pages><span>{shown}</span><span class=bar>{back}{forth}</span></div>"


def _label(item: SObject, name: str) -> str:
    return "Last change" if name == "SystemModstamp" else item.fields[name].label


def _row(item: SObject, names: list[str], row: Any) -> str:
    cells = []
    for name, value in zip(names, row[1:], strict=True):
        shown = text(_moment(value)) if name == "SystemModstamp" else text(value)
        if name == "Name":
            shown = f'<a href="/{row[0]}">{shown or "(no name)"}</a>'
        cells.append(f'<td data-label="{text(_label(item, name))}">{shown}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _moment(value: str | None) -> str:
    return value[:19].replace("T", " ") if value else ""


# What can be tried


def _try(org: Org, request: Request, rest: list[str]) -> Response:
    if not rest and request.method in ("GET", "HEAD"):
        return _html(org, "Try", "Try", panel(org, _hidden_token("try"), request.query.get("said", "")))
    if len(rest) != 2 or rest[1] not in ("on", "off") or request.method != "POST":
        raise not_found()
    _check_form(request, "try")
    try:
        with org.database.atomic():
            switch(org, rest[0], on=rest[1] == "on")
    except KeyError as error:
        raise not_found() from error
    except (SalesforceError, ValueError) as error:
        message = error.message if isinstance(error, SalesforceError) else str(error)
        return _html(org, "Try", "Try", panel(org, _hidden_token("try"), error=message), 400)
    return Response.empty(303, {"Location": f"/try?said={url_quote(rest[0])}"})


# A record


def _values(org: Org, item: SObject, record_id: str) -> dict[str, Any] | None:
    """The record as the second user sees it, deleted ones too."""
    selection = Selection(Scope(org.reader(SALES_USER, deleted_too=True), item, ""), Query((), item.name, 0))
    selection.take_all(list(item.fields.values()))
    scope = selection.scope
    restrictions = "".join(f" AND {condition}" for condition in scope.restrictions())
    row = org.database.one(
        f"SELECT {', '.join(selection.columns)} FROM {scope.source()} WHERE {scope.root}.Id = ?{restrictions}",
        (record_id,),
    )
    return selection.shape.build(row) if row else None


def _record(
    org: Org,
    item: SObject,
    record_id: str,
    *,
    error: SalesforceError | None = None,
    form: dict[str, str] | None = None,
    saved: str | None = None,
) -> Response:
    values = _values(org, item, record_id)
    if values is None:
        raise not_found()
    name = values.get("Name") or record_id
    body = f"<h1>{text(name)}</h1><p class=sub>{text(item.label)} · {record_id} {_state(values)}</p>"
    if error is not None:
        body += alert(f"Not saved. {error.message} ({error.code})")
    elif saved in _SAID:
        body += alert(_SAID[saved], good=True)
    body += f"<div class=card><dl>{_facts(org, item, values)}</dl></div>"
    if not values["IsDeleted"] and not values.get("IsConverted"):
        body += _form(org, item, record_id, values, error, form)
    body += _buttons(org, item, record_id, values)
    return _html(org, str(name), item.name, body, 200 if error is None else error.status if error.status < 500 else 409)


_SAID = {
    "saved": "Saved.",
    "same": "Nothing was changed.",
    "converted": "Converted.",
    "deleted": "Moved to the recycle bin.",
    "undeleted": "Restored from the recycle bin.",
    "purged": "Deleted for ever.",
}


def _state(values: dict[str, Any]) -> str:
    pills = []
    if values["IsDeleted"]:
        pills.append('<span class="pill bad">Deleted</span>')
    if master := values.get("MasterRecordId"):
        pills.append(f'<span class="pill bad">Merged into <a href="/{master}">{master}</a></span>')
    if values.get("IsConverted"):
        contact = values.get("ConvertedContactId")
        pills.append(f'<span class=pill>Converted to <a href="/{contact}">contact {contact}</a></span>')
    return " ".join(pills)


def _facts(org: Org, item: SObject, values: dict[str, Any]) -> str:
    facts = [
        ("Owner", around.name_of(org, values.get("OwnerId"))),
        ("Account", around.name_of(org, values.get("AccountId"), "Account")),
        ("Campaigns", around.campaigns(org, item, values["Id"])),
        ("Created", f"{_moment(values['CreatedDate'])} by {around.name_of(org, values['CreatedById'])}"),
        (
            "Last modified",
            f"{_moment(values['LastModifiedDate'])} by {around.name_of(org, values['LastModifiedById'])}",
        ),
        ("System Modstamp", _moment(values["SystemModstamp"])),
        ("Territory", text(values.get("Territory__c"))),
    ]
    return "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in facts if value)


def token(subject: str) -> str:
    """What shows that a form came from this page: only it and this process know the key."""
    return hmac.new(_KEY, subject.encode(), sha256).hexdigest()


def _hidden_token(subject: str) -> str:
    return f'<input type=hidden name=token value="{token(subject)}">'


def _check_form(request: Request, subject: str) -> dict[str, str]:
    """What was posted, by this page and by no other."""
    form = request.form()
    ours = hmac.compare_digest(form.get("token", "").encode(), token(subject).encode())
    if not ours or request.headers.get("origin") not in (None, request.origin):
        raise SalesforceError(403, "FORBIDDEN", "The form did not come from this page. Open it again.")
    return form


def _form(
    org: Org,
    item: SObject,
    record_id: str,
    values: dict[str, Any],
    error: SalesforceError | None,
    form: dict[str, str] | None,
) -> str:
    controls = []
    for field in forms.editable(item):
        before = forms.as_text(field, values.get(field.name))
        value = before if form is None else form.get(field.name, "false" if field.type == "boolean" else "")
        was = before if form is None else form.get(f"was:{field.name}", before)
        wrong = error.message if error is not None and field.name in (error.fields or ()) else None
        controls.append(forms.field_html(field, value, was, wrong))
    return (
        f'<form class=card method=post action="/{record_id}/save">{_hidden_token(record_id)}<div '
        f"class=grid>{''.join(controls)}</div>"
        '<p class=bar style="margin:18px 0 0"><button>Save</button><a class="button plain" '
        f'href="/{record_id}">Cancel</a></p></form>'
    )


def _buttons(org: Org, item: SObject, record_id: str, values: dict[str, Any]) -> str:
    def button(action: str, label: str, style: str = "plain") -> str:
        return (
            f'<form method=post action="/{record_id}/{action}">{_hidden_token(record_id)}<button '
            f"class={style}>{label}</button></form>"
        )

    if values["IsDeleted"]:
        parts = [] if values.get("MasterRecordId") else [button("undelete", "Restore")]
        parts.append(button("purge", "Delete for ever", "bad"))
    else:
        parts = [button("convert", "Convert")] if item.name == "Lead" and not values.get("IsConverted") else []
        if not values.get("IsConverted"):
            parts.append(around.owner_form(org, item, record_id, values, _hidden_token(record_id)))
            parts.append(_merge_form(item, record_id))
        parts.append(button("delete", "Delete", "bad"))
    return f'<div class=card><div class=bar style="align-items:end">{"".join(parts)}</div></div>'


def _merge_form(item: SObject, record_id: str) -> str:
    return (
        f'<form method=post action="/{record_id}/merge" class=bar style="align-items:end">{_hidden_token(record_id)}'
        f"<label for=loser>Merge another {item.label.lower()} into this one (its id)<input id=loser name=loser "
        "required></label>"
        "<button class=plain>Merge</button></form>"
    )


def _post(org: Org, request: Request, item: SObject, record_id: str, action: str) -> Response:
    form = _check_form(request, record_id)
    try:
        with org.database.atomic():
            said = _act(org, item, record_id, action, form)
    except SalesforceError as error:
        return _record(org, item, record_id, error=error, form=form if action == "save" else None)
    target = f"/{_OBJECT_PATH[item.name]}" if said == "purged" else f"/{record_id}"
    return Response.empty(303, {"Location": f"{target}?said={url_quote(said)}"})


_OBJECT_PATH = {name: path for path, name in _OBJECTS.items()}


def _act(org: Org, item: SObject, record_id: str, action: str, form: dict[str, str]) -> str:
    who = Saver.on_page(org)
    if action == "save":
        changes = forms.wanted(forms.editable(item), form, _values(org, item, record_id) or {})
        if not changes:
            return "same"
        save.update(who, item.name, record_id, changes)
        return "saved"
    if action == "owner":
        save.update(who, item.name, record_id, {"OwnerId": form.get("owner", "")})
        return "saved"
    if action == "convert" and item.name == "Lead":
        convert.convert(who, record_id, None, None)
        return "converted"
    if action == "merge":
        loser = ids.long_form(form.get("loser", "").strip())
        if loser is None:
            raise SalesforceError(400, "MALFORMED_ID", f"malformed id {form.get('loser', '')}")
        merge.merge(who, item.name, record_id, [loser])
        return "saved"
    if action == "delete":
        remove.delete(who, item.name, record_id)
        return "deleted"
    if action == "undelete":
        remove.undelete(who, record_id)
        return "undeleted"
    if action == "purge":
        remove.purge(who, record_id)
        return "purged"
    raise not_found()

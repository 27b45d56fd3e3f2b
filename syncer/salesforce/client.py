"""The organisation as the engine uses it: composite calls, queries, describes, and who we are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from syncer.salesforce import composite as messages
from syncer.salesforce import faults
from syncer.salesforce.caller import Caller, Reply, SessionExpired
from syncer.salesforce.composite import Answer, Subrequest, Subresponse
from syncer.salesforce.describe import ObjectDescribe, parse_object
from syncer.salesforce.errors import (
    ListLost,
    OutcomeUnknown,
    Refused,
    RequestLimitExceeded,
    SalesforceError,
    TooLarge,
    Unavailable,
)
from syncer.salesforce.ids import is_salesforce_id, to_18
from syncer.salesforce.pages import Page, is_path_of_page, parse_page
from syncer.salesforce.soql import equals, identifier, query_path, select
from syncer.salesforce.usage import DailyUsage
from syncer.salesforce.ways import USERNAME

__all__ = [
    "Answer",
    "DailyUsage",
    "Org",
    "OrganisationInfo",
    "Page",
    "Subrequest",
    "Subresponse",
    "UserInfo",
]

# A GET beyond some 16,000 characters is refused with 414 or 431 (docs/salesforce.md 2.9); headers share that room.
LONGEST_PATH = 8_000


#: The statuses that say so.
ADDRESS_TOO_LONG = (414, 431)

#: Asks for the smallest pages that Salesforce makes ("Query Options Header", REST API Developer Guide).
SMALL_PAGES: Mapping[str, str] = {"Sforce-Query-Options": "batchSize=200"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OrganisationInfo:
    """Which organisation this is. ``id`` has 18 characters; a refreshed sandbox has a new one."""

    id: str
    name: str
    org_type: str
    is_sandbox: bool


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Who is signed in."""

    id: str
    username: str
    name: str


class Org(Caller):
    """One organisation, for one thread. It raises what stands in errors.py; ValueError is a mistake of ours."""

    _longest_path = LONGEST_PATH
    _small_pages = False  # an answer was too large: from now on, queries come in the smallest pages

    def composite(self, subrequests: Sequence[Subrequest], *, safe: bool) -> Answer:
        """Several requests in one API call, in order, each with its own outcome in the answer.

        safe=True (reads): repeated after anything that passes, also when it struck a single subrequest or the answer
        to a query is no page; what is still refused at the end stands in the answer. A used-up daily limit raises
        RequestLimitExceeded.
        safe=False: sent once. Only what certainly did nothing is sent again; whatever may have been carried out
        raises OutcomeUnknown. Rows with ``@{`` in them travel in a call of their own (see `must_travel_alone`), behind
        the one with what they are to come after.
        """
        messages.check(subrequests)
        if not safe:
            return self._composite(subrequests, safe=False)
        return self._smaller_if_too_large(lambda: self._composite(subrequests, safe=True))

    def _composite(self, subrequests: Sequence[Subrequest], *, safe: bool) -> Answer:
        if self._small_pages:
            subrequests = [replace(r, headers={**r.headers, **SMALL_PAGES}) if r.query else r for r in subrequests]
        responses: dict[str, Subresponse] = {}
        asked_at: list[datetime] = []
        wrote = False
        for alone, whole_group in messages.groups(subrequests):
            left_out = [r for r in whole_group if r.only_after in responses and not responses[r.only_after].ok]
            responses |= {request.reference: messages.halted(request) for request in left_out}
            group = [request for request in whole_group if request not in left_out]
            if not group:
                continue
            try:
                answer = self._alone(group[0], safe) if alone else self._together(group, safe)
            except SalesforceError as error:
                if safe or not wrote:
                    raise
                raise OutcomeUnknown(
                    f"The request was carried out in part, then: {error}",
                    code=error.code,
                    http_status=error.http_status,
                ) from None
            wrote = wrote or any(request.method != "GET" for request in group)
            responses |= answer.responses
            asked_at.append(answer.asked_at)
        return Answer(responses, min(asked_at))

    def query(self, soql: str, *, deleted: bool = False) -> Page:
        """The first page of a query; ``deleted`` adds deleted and merged rows. Long queries travel in a body."""
        path = query_path(soql, deleted)
        if len(path) <= self._longest_path:
            try:
                return self._smaller_if_too_large(
                    lambda: self._page_through(
                        lambda client, rest: client.query(soql, deleted, headers=self._page_headers, **rest),
                        soql,
                        deleted=deleted,
                    )
                )
            except Refused as error:
                if error.http_status not in ADDRESS_TOO_LONG:
                    raise
            self._longest_path = len(path) - 1  # what stands in between bears less
        answer = self.composite([Subrequest("GET", path, "query")], safe=True)
        response = answer["query"]
        if response.page is None:
            if response.ok:
                raise faults.of_nonsense(response.problem, self.host, safe=True)
            raise faults.of_answer(response.status, response.body, self.host, safe=True, secrets=self._secrets())
        return response.page

    def query_more(self, next_url: str) -> Page:
        """The next page, by the path that the one before gave; ValueError for any other text. Raises ListLost when
        Salesforce dropped the list, or when the page is too large and a list with smaller ones has to be made."""
        if not is_path_of_page(next_url):
            raise ValueError(f"{next_url[:80]!r} is not the path of a page of this organisation.")
        try:
            return self._page_through(
                lambda client, rest: client.query_more(
                    next_url, identifier_is_url=True, headers=self._page_headers, **rest
                )
            )
        except TooLarge as error:
            if self._small_pages:
                raise
            self._small_pages = True
            raise ListLost(str(error), code=error.code) from None
        except Refused as error:
            # INVALID_QUERY_LOCATOR and its extended codes ("Extended Error Codes", SOAP API Developer Guide)
            if "LOCATOR" not in error.code and error.http_status != 404:
                raise
            raise ListLost(str(error), code=error.code, http_status=error.http_status) from None

    @property
    def _page_headers(self) -> dict[str, str]:
        return dict(SMALL_PAGES) if self._small_pages else {}

    def _smaller_if_too_large(self, ask: Callable[[], T]) -> T:
        """A read; once more with the smallest pages when its answer is larger than is read of one."""
        try:
            return ask()
        except TooLarge:
            if self._small_pages:
                raise
        self._small_pages = True
        return ask()

    def _page_through(
        self, use: Callable[[Any, dict[str, Any]], Any], soql: str = "", *, deleted: bool = False
    ) -> Page:
        """A query, or a further page of one. An answer that is no page is asked for again, like any other nonsense."""
        pages: list[Page] = []

        def judge(reply: Reply) -> None:
            try:
                pages.append(parse_page(reply.body, reply.asked_at, soql, deleted=deleted))
            except ValueError as error:
                raise faults.of_nonsense(str(error), self.host, safe=True) from None

        self.through(use, safe=True, judge=judge)
        return pages[-1]

    def describe(self, object: str) -> ObjectDescribe:
        """The object as this user sees it. Refused with NOT_FOUND if he does not see it at all."""
        reply = self.get(f"sobjects/{identifier(object)}/describe")
        try:
            return parse_object(reply.body, reply.headers.get("Last-Modified"), asked=object)
        except ValueError as error:
            raise faults.of_nonsense(str(error), self.host, safe=True) from None

    def organisation(self) -> OrganisationInfo:
        """Which organisation this is (its own row in Organization)."""
        row = self._only(select(["Id", "Name", "OrganizationType", "IsSandbox"], "Organization", limit=1))
        return OrganisationInfo(
            str(row.get("Id") or ""),
            str(row.get("Name") or ""),
            str(row.get("OrganizationType") or ""),
            row.get("IsSandbox") is True,
        )

    def user_info(self) -> UserInfo:
        """Who is signed in: by the id that the sign-in told, else by the configured name, else by asking userinfo."""
        self.sign_in()
        user_id = self.signed_in.user_id if self.signed_in else ""
        if user_id:
            where = equals("Id", user_id)
        elif username := self.credentials[USERNAME]:
            where = equals("Username", username)
        else:
            return self._openid_user()
        row = self._only(select(["Id", "Username", "Name"], "User", where, limit=1))
        return UserInfo(str(row.get("Id") or ""), str(row.get("Username") or ""), str(row.get("Name") or ""))

    def _openid_user(self) -> UserInfo:
        # `query_more` is the library's GET of a path on the instance; its own `oauth2` takes no hooks.
        reply = self.through(
            lambda client, rest: client.query_more("/services/oauth2/userinfo", identifier_is_url=True, **rest),
            safe=True,
        )
        body = reply.body if isinstance(reply.body, Mapping) else {}
        if not is_salesforce_id(str(body.get("user_id") or "")):
            raise faults.of_nonsense("userinfo names no user", self.host, safe=True)
        return UserInfo(to_18(body["user_id"]), str(body.get("preferred_username") or ""), str(body.get("name") or ""))

    def _together(self, group: Sequence[Subrequest], safe: bool) -> Answer:
        """One Composite call."""
        data = messages.payload(group, self.base_path).encode()
        answers: list[dict[str, Subresponse]] = []

        def judge(reply: Reply) -> None:
            answers.append(self._judged(reply, group, safe))

        try:
            reply = self.through(
                lambda client, rest: client.restful("composite", method="POST", data=data, **rest),
                safe=safe,
                judge=judge,
            )
        except _StillPassing as error:
            return error.answer
        return Answer(answers[-1], reply.asked_at)

    def _judged(self, reply: Reply, group: Sequence[Subrequest], safe: bool) -> dict[str, Subresponse]:
        """The subresponses, unless they call for something to be done with the call as a whole."""
        try:
            found = messages.parse(reply.body, group, reply.asked_at)
        except ValueError as error:
            raise faults.of_nonsense(str(error).rstrip("."), self.host, safe=safe) from None
        if "" in found:  # the call as a whole was refused, in the shape of a subresponse
            whole = found[""]
            raise faults.of_answer(whole.status, whole.body, self.host, safe=safe, secrets=self._secrets())
        refused = [refusal for part in found.values() if (refusal := part.error()) is not None]
        # Whatever all subrequests were refused for, none was carried out. Reads may be repeated anyway.
        errors = [refusal for refusal in refused if refusal.code != messages.HALTED] or refused
        decides = any if safe else all
        if len(refused) == len(found) or safe:
            if errors and decides(error.code == "INVALID_SESSION_ID" for error in errors):
                raise SessionExpired("Session expired or invalid")
            if errors and decides(faults.is_daily_limit(error) for error in errors):
                raise RequestLimitExceeded(errors[0].message, http_status=403)
            if safe and any(faults.is_passing(error) for error in errors):
                raise _StillPassing(Answer(found, reply.asked_at))
        if safe and (problem := next((part.problem for part in found.values() if part.problem), "")):
            raise faults.of_nonsense(problem, self.host, safe=True)
        self._check_rows(found, safe)
        return found

    def _alone(self, request: Subrequest, safe: bool) -> Answer:
        """One subrequest as a call of its own, answered in the same form."""
        try:
            reply = self.call(request.method, request.path[1:], safe=safe, data=request.text, headers=request.headers)
            asked_at = reply.asked_at
            response = Subresponse(request.reference, reply.status, reply.body, dict(reply.headers))
        except Refused as refused:
            asked_at = self.org_time()
            body = [{"errorCode": refused.code, "message": refused.message, "fields": list(refused.fields)}]
            response = Subresponse(request.reference, refused.http_status or 400, body)
        found = {request.reference: messages.with_page(response, request, asked_at)}
        self._check_rows(found, safe)
        return Answer(found, asked_at)

    def _check_rows(self, found: Mapping[str, Subresponse], safe: bool) -> None:
        """An answer that does not speak of every row leaves open what happened to them."""
        for response in found.values():
            told = len(response.body) if isinstance(response.body, list) else 0
            if response.ok and response.rows and told != response.rows:
                raise faults.of_nonsense(f"{response.reference} tells of other rows", self.host, safe=safe)

    def _only(self, query: str) -> dict[str, Any]:
        records = self.query(query).records
        if not records:
            raise Refused(f"{self.host} shows no row for: {query}", code="NOT_FOUND")
        return records[0]


class _StillPassing(Unavailable):
    """Internal: a read of which a part failed in passing. When the tries run out, it is the answer after all."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("A part of the request failed in passing.")
        self.answer = answer

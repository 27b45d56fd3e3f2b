"""What the tests of the sync share."""

from __future__ import annotations

import pytest


@pytest.fixture
def after(sandbox):
    """Does something once, right after Salesforce has answered the first request that has ``text`` in it."""

    def arrange(text, do):
        usual, left = sandbox.open_session, [do]

        def answered(response, *_, **__):
            body = response.request.body or b""
            if left and text in (body if isinstance(body, str) else body.decode()):
                left.pop()()

        def open_session(login_url):
            session = usual(login_url)
            session.hooks["response"].append(answered)
            return session

        sandbox.open_session = open_session

    return arrange

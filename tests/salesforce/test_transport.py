from __future__ import annotations

import pytest
import requests

from syncer.salesforce.errors import ConfigurationError
from syncer.salesforce.transport import TimeoutAdapter, base_of, check_url, host_and_port, open_session
from tests.salesforce.server import Say, Scripted


@pytest.mark.parametrize(
    "url",
    [
        "https://login.salesforce.com",
        "https://acme.my.salesforce.com/",
        "https://ACME--dev.sandbox.my.salesforce.com:443",
        "https://acme.my.salesforce.mil",
        "https://acme.my.sfcrmproducts.cn",
        "https://acme.cloudforce.com",
        "http://127.0.0.1:8900",
        "http://127.9.9.9",
        "http://localhost:1",
        "http://[::1]:8900",
        "https://127.0.0.1:8443",
        "https://sandbox.example",
        "https://other.example:8443",
    ],
)
def test_salesforce_this_computer_and_allowed_hosts_are_let_through(url: str) -> None:
    check_url(url, ["sandbox.example", "other.example:8443"])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "acme.my.salesforce.com",
        "ftp://acme.my.salesforce.com",
        "http://acme.my.salesforce.com",
        "http://sandbox.example",
        "https://other.example",
        "https://evil.com/.salesforce.com",
        "https://evil.com?.salesforce.com",
        "https://evil.com#.salesforce.com",
        "https://salesforce.com.evil.com",
        "https://evilsalesforce.com",
        "https://evil.com\\.salesforce.com",
        "https://acme.my.salesforce.com@evil.com",
        "https://user:pass@acme.my.salesforce.com",
        "https://@acme.my.salesforce.com",
        "https://acme.my.salesforce.com:8443",
        "https://acme.my.salesforce.com:x",
        "https://acme.my.salesforce.com/services",
        "https://acme.my.salesforce.com./",
        "https://acme.my.ѕalesforce.com",
        "https://acme.my.salesforce.com\n",
        "https://acme.force.com",
        "https://.salesforce.com",
        "https://[::2]",
        "https://[",
        "http://0.0.0.0:80",
        "http://127.0.0.1.evil.com",
        "http://2130706433",
        "https://169.254.169.254",
        "javascript:alert(1)",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_url(url, ["sandbox.example", "other.example:8443"])
    assert "pass" not in str(caught.value).replace("password", "")
    with pytest.raises(ConfigurationError):
        open_session(url)


def test_hosts_are_shown_as_the_library_builds_them() -> None:
    assert host_and_port("https://Acme.my.salesforce.com") == "acme.my.salesforce.com"
    assert host_and_port("http://localhost:8900/") == "localhost:8900"
    assert host_and_port("http://localhost") == "localhost:80"
    assert base_of("http://[::1]:8900") == "https://[::1]:8900"


def test_only_the_configured_loopback_port_is_called_without_encryption(server: Scripted) -> None:
    server.otherwise = Say(200, {"a": 1})
    with open_session(server.url) as session:
        assert session.get(server.url.replace("http:", "https:") + "/x").json() == {"a": 1}
        with pytest.raises(requests.ConnectionError):
            session.get("https://127.0.0.1:9/x", timeout=2)
    with open_session("https://127.0.0.1:8443") as session, pytest.raises(requests.exceptions.SSLError):
        session.get(server.url.replace("http:", "https:") + "/x")


def test_a_server_that_says_nothing_times_out(server: Scripted) -> None:
    server.otherwise = Say(200, {}, wait=1)
    with requests.Session() as session:
        session.mount("http://", TimeoutAdapter(read=0.1))
        with pytest.raises(requests.ReadTimeout):
            session.get(server.url)


def test_a_netrc_entry_does_not_replace_our_token(
    server: Scripted, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = f"{tmp_path}/netrc"
    with open(netrc, "w") as file:
        file.write("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", netrc)
    server.otherwise = Say(200, {})
    with open_session(server.url) as session:
        session.get(server.url, headers={"Authorization": "Bearer ours"})
    assert server.seen[-1].headers["authorization"] == "Bearer ours"


def test_a_proxy_is_not_asked_for_this_computer(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    server.otherwise = Say(200, {"a": 1})
    with open_session(server.url) as session:
        assert session.get(base_of(server.url)).json() == {"a": 1}


def test_a_connection_that_idled_too_long_is_not_used_again(server: Scripted) -> None:
    moment = [0.0]
    server.otherwise = Say(200, {})
    with requests.Session() as session:
        session.mount("http://", TimeoutAdapter(idle=50, monotonic=lambda: moment[0]))
        ports = []
        for seconds in (0, 40, 51):
            moment[0] += seconds
            response = session.get(server.url, stream=True)
            ports.append(response.raw.connection.sock.getsockname()[1])
            response.content  # noqa: B018 - gives the connection back
        assert ports[0] == ports[1] != ports[2]

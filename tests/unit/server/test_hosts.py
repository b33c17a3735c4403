from __future__ import annotations

import pytest

from asr_core.server.hosts import AllowedHosts


@pytest.mark.parametrize(
    "host",
    ["localhost:8501", "127.0.0.1", "[::1]:8501", "192.168.1.7:80", "laptop.local", "LOCALHOST.",
     "my-app.streamlit.app", "speech.example.org", "a.team.example.org:443"],
)  # fmt: skip
def test_own_host_names_are_served(host: str) -> None:
    hosts = AllowedHosts(["speech.example.org", " *.Team.example.org "])
    assert hosts.allows_host(host)


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example", "localhost.evil.example", "evil.example:8501", "127.0.0.1.evil.example",
     "team.example.org", "user@localhost", "localhost/x", "localhost:port", "localhost:99999", "a b",
     "streamlit.app.evil.example", "xspeech.example.org"],
)  # fmt: skip
def test_a_foreign_name_for_this_address_is_refused(host: str | None) -> None:
    assert not AllowedHosts(["speech.example.org", "*.team.example.org"]).allows_host(host)


def test_only_own_pages_may_send_requests() -> None:
    hosts = AllowedHosts(["speech.example.org"])
    assert hosts.allows_origin(None, "localhost:8501")
    assert hosts.allows_origin("http://localhost:8501", "localhost:8501")
    assert hosts.allows_origin("https://speech.example.org", "app:8501")  # behind a proxy
    for origin in ("http://localhost:3000", "http://127.0.0.1:8501", "https://evil.example", "null", "",
                   "http://localhost:8501@evil.example", "file://",
                   "https://speech.example.org:3000", "http://localhost:99999",
                   "http://[", "http://[::1", "http://]"):  # fmt: skip
        assert not hosts.allows_origin(origin, "localhost:8501")
    assert not AllowedHosts(["*"]).allows_origin("https://evil.example", "speech.example.org")

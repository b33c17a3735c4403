from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

from streamlit.testing.v1 import AppTest


def script() -> None:
    import streamlit as st

    from widgets.ice import ice_servers

    st.json(ice_servers(st.session_state.get("visitor", "somebody")))


def test_without_settings_no_server_is_asked() -> None:
    app = AppTest.from_function(script).run()
    assert not app.exception
    assert app.json[0].value == "[]"


def test_own_servers_come_from_the_secrets() -> None:
    app = AppTest.from_function(script)
    app.secrets["ICE_SERVERS"] = [
        {"urls": "turn:turn.example.org:3478", "username": "u", "credential": "c"}
    ]
    assert "turn.example.org" in app.run().json[0].value


def test_a_shared_secret_gives_each_visitor_credentials_of_their_own() -> None:
    app = AppTest.from_function(script)
    app.secrets["TURN_URLS"] = "turn:turn.example.org:3478, turns:turn.example.org:5349"
    app.secrets["TURN_SECRET"] = "north"
    [first], [second] = (json.loads(app.run().json[0].value) for _ in range(2))
    assert first["urls"] == ["turn:turn.example.org:3478", "turns:turn.example.org:5349"]
    # The relay counts by the part after the time, which is the same for one visitor.
    assert first["username"].split(":")[1] == second["username"].split(":")[1]
    app.session_state["visitor"] = "somebody else"
    [other] = json.loads(app.run().json[0].value)
    assert other["username"].split(":")[1] != first["username"].split(":")[1]
    assert "somebody" not in other["username"]
    assert int(first["username"].split(":")[0]) > time.time() + 3600
    made = hmac.new(b"north", first["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(first["credential"]) == made


def test_a_service_that_gives_no_credentials_is_a_warning() -> None:
    """The real request, to a service that cannot be reached or refuses the key."""
    app = AppTest.from_function(script, default_timeout=60)
    app.secrets["CLOUDFLARE_TURN_KEY_ID"] = "no-such-key"
    app.secrets["CLOUDFLARE_TURN_KEY_API_TOKEN"] = "no-such-token"
    app.run()
    assert not app.exception
    assert "TURN service gave no credentials" in app.warning[0].value
    assert app.json[0].value == "[]"

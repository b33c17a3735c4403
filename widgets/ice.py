"""How browser and server find each other: ICE servers from the secrets.

On one machine none are needed, and none are asked: with no setting, no request
leaves the machine.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from typing import Any

import streamlit as st
from streamlit_webrtc.credentials import get_cloudflare_ice_servers, get_twilio_ice_servers

from widgets.secrets import setting

__all__ = ["ice_servers"]

_VALID_S = 12 * 3600
"""A relayed connection asks again with the same name as long as it lasts."""


def ice_servers() -> list[Any]:
    """STUN and TURN servers for one connection.

    From, in this order: ``ICE_SERVERS`` (a list of tables with ``urls``,
    ``username``, ``credential``), ``TURN_URLS`` and ``TURN_SECRET`` (coturn's
    ``static-auth-secret``), ``CLOUDFLARE_TURN_KEY_ID`` and
    ``CLOUDFLARE_TURN_KEY_API_TOKEN``, ``TWILIO_ACCOUNT_SID`` and
    ``TWILIO_AUTH_TOKEN``; each a secret of Streamlit or, but for the first, an
    environment variable. All but the first give credentials that expire, so this is
    to be called for each connection.
    """
    static = setting("ICE_SERVERS")
    if static:
        return [dict(server) for server in static]
    urls, shared = setting("TURN_URLS"), setting("TURN_SECRET")
    if urls and shared:
        return [_with_fresh_credentials(urls, shared)]
    try:
        key, token = setting("CLOUDFLARE_TURN_KEY_ID"), setting("CLOUDFLARE_TURN_KEY_API_TOKEN")
        if key and token:
            return list(get_cloudflare_ice_servers(key, token))
        sid, secret = setting("TWILIO_ACCOUNT_SID"), setting("TWILIO_AUTH_TOKEN")
        if sid and secret:
            return list(get_twilio_ice_servers(sid, secret))
    except Exception as error:  # three services, each with errors of its own
        st.warning(
            f"The TURN service gave no credentials ({error}); the connection may fail from other "
            "networks. Check the secrets.",
            icon=":material/warning:",
        )
    return []


def _with_fresh_credentials(urls: str | list[str], secret: str) -> dict[str, Any]:
    """For one connection: a name that says until when, signed with the secret that the TURN
    server knows too (draft-uberti-behave-turn-rest-00)."""
    name = f"{int(time.time()) + _VALID_S}:{secrets.token_hex(4)}"
    signed = hmac.digest(secret.encode(), name.encode(), "sha1")
    listed = urls.split(",") if isinstance(urls, str) else urls
    return {
        "urls": [url.strip() for url in listed],
        "username": name,
        "credential": base64.b64encode(signed).decode(),
    }

"""How browser and server find each other: ICE servers from the secrets.

On one machine none are needed, and none are asked: with no setting, no request
leaves the machine.
"""

from __future__ import annotations

import base64
import hmac
import logging
import time
from typing import Any

import streamlit as st
from streamlit_webrtc.credentials import get_cloudflare_ice_servers, get_twilio_ice_servers

from widgets.secrets import setting

__all__ = ["ice_servers"]

logger = logging.getLogger(__name__)

_VALID_S = 12 * 3600
"""A relayed connection asks again with the same name as long as it lasts."""


def ice_servers(visitor: str) -> list[Any]:
    """STUN and TURN servers for one connection.

    Args:
        visitor: whose connection it is; coturn counts what each one takes.

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
        return [_with_fresh_credentials(urls, shared, visitor)]
    try:
        key, token = setting("CLOUDFLARE_TURN_KEY_ID"), setting("CLOUDFLARE_TURN_KEY_API_TOKEN")
        if key and token:
            return list(get_cloudflare_ice_servers(key, token))
        sid, secret = setting("TWILIO_ACCOUNT_SID"), setting("TWILIO_AUTH_TOKEN")
        if sid and secret:
            return list(get_twilio_ice_servers(sid, secret))
    except Exception as error:  # three services, each with errors of its own
        logger.warning("The TURN service gave no credentials: %r", error)
        st.warning(
            "The TURN service gave no credentials, so the connection may fail from other networks. "
            "Whoever runs this app finds the reason in its log.",
            icon=":material/warning:",
        )
    return []


def _with_fresh_credentials(urls: str | list[str], secret: str, visitor: str) -> dict[str, Any]:
    """Return a name that says until when and for whom, signed with the secret that the TURN
    server knows too (draft-uberti-behave-turn-rest-00)."""
    who = hmac.digest(secret.encode(), b"visitor " + visitor.encode(), "sha256").hex()[:16]
    name = f"{int(time.time()) + _VALID_S}:{who}"
    signed = hmac.digest(secret.encode(), name.encode(), "sha1")
    listed = urls.split(",") if isinstance(urls, str) else urls
    return {
        "urls": [url.strip() for url in listed],
        "username": name,
        "credential": base64.b64encode(signed).decode(),
    }

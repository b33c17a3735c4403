"""STUN and TURN servers for the audio connection, from the settings.

On one machine none are needed; without a setting no request leaves the machine.
"""

from __future__ import annotations

import base64
import hmac
import logging
import time
from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit_webrtc.credentials import get_cloudflare_ice_servers, get_twilio_ice_servers

from widgets.secrets import app_settings

__all__ = ["ice_servers"]

logger = logging.getLogger(__name__)

# A relayed connection renews its allocation with the same credentials as long as it lasts.
_VALID_S = 12 * 3600


def ice_servers(visitor: str) -> list[Any]:
    """Return the STUN and TURN servers for one connection.

    Args:
        visitor: id of the visitor; coturn has a quota for each.

    Taken from the first that is set: ``ICE_SERVERS``, ``TURN_URLS`` with ``TURN_SECRET``,
    Cloudflare's, Twilio's. All but the first give credentials that expire, so call it for each
    connection.
    """
    given = app_settings()
    if given.ice_servers:
        return list(given.ice_servers)
    if given.turn_urls and given.turn_secret:
        return [_with_fresh_credentials(given.turn_urls, given.turn_secret, visitor)]
    try:
        key, token = given.cloudflare_turn_key_id, given.cloudflare_turn_key_api_token
        if key and token:
            return list(get_cloudflare_ice_servers(key, token))
        sid, secret = given.twilio_account_sid, given.twilio_auth_token
        if sid and secret:
            return list(get_twilio_ice_servers(sid, secret))
    except Exception as error:  # each service raises its own errors
        logger.warning("The TURN service gave no credentials: %r", error)
        st.warning(
            "The TURN service gave no credentials, so connections from other networks may fail. "
            "The reason is in the server's log.",
            icon=":material/warning:",
        )
    return []


def _with_fresh_credentials(urls: Sequence[str], secret: str, visitor: str) -> dict[str, Any]:
    """Return expiring credentials for a TURN server that shares the secret.

    See draft-uberti-behave-turn-rest-00.
    """
    who = hmac.digest(secret.encode(), b"visitor " + visitor.encode(), "sha256").hex()[:16]
    name = f"{int(time.time()) + _VALID_S}:{who}"
    signed = hmac.digest(secret.encode(), name.encode(), "sha1")
    return {
        "urls": list(urls),
        "username": name,
        "credential": base64.b64encode(signed).decode(),
    }

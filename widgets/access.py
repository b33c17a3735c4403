"""Access to the app: open to all, by secret link, or by sign-in."""

from __future__ import annotations

import functools
import ipaddress
import logging
from urllib.parse import urlsplit

import streamlit as st

from asr_core.evaluation.roles import Actor, resolve_actor
from asr_core.ops.rate_limit import KeyedBuckets
from asr_core.server.visitors import is_invitation
from widgets.secrets import app_settings, secret_table
from widgets.site import is_gated

__all__ = ["current_actor", "require_access", "warn_if_public"]

logger = logging.getLogger(__name__)

# Wrong invitations, counted here where no gate counts them.
_guesses = KeyedBuckets(per_s=0.5, burst=20)


def require_access() -> bool:
    """Return True if this visitor may use the app; otherwise draw the way to sign in.

    ``[auth]`` in the secrets turns on Streamlit's sign-in (OpenID Connect), ``ASR_INVITE`` the
    secret link ``…/?invite=THE-SECRET``; either admits. A gate before the app has already decided.
    """
    can_sign_in, invite = _can_sign_in(), app_settings().invite
    if can_sign_in and st.user.is_logged_in:
        _draw_user()
        return True
    if is_gated() or (not can_sign_in and not invite):
        return True
    if invite and _is_invited(invite):
        return True
    st.title("Speak and read", anchor=False)
    if can_sign_in:
        st.write("Sign in to transcribe speech and test models.")
        st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    else:
        st.info(
            "This app is for invited people. Open it with the link you were sent.",
            icon=":material/lock:",
        )
    return False


def current_actor() -> Actor:
    """Return the visitor's identity and role, as verified by the identity provider."""
    claims = st.user.to_dict() if _can_sign_in() else {}
    return resolve_actor(claims if claims.get("is_logged_in") else {}, secret_table("roles"))


@functools.cache
def _log_public_access() -> None:
    logger.warning(
        "Anyone who can reach this app may use it and change its test set: set [auth] or "
        "ASR_INVITE, or ASR_OPEN_TO_ALL=1 if this is intended"
    )


def warn_if_public() -> None:
    """Warn on the test bench of a reachable app that admits everybody."""
    given = app_settings()
    if _can_sign_in() or given.invite or given.open_to_all or _is_local():
        return
    _log_public_access()
    st.warning(
        "Anyone with the address of this app can play, change and delete what is stored here. Its "
        "operator can require a sign-in or a secret link (see the documentation on deploying).",
        icon=":material/public:",
    )


def _can_sign_in() -> bool:
    return bool(secret_table("auth"))


def _is_invited(invite: str) -> bool:
    """Return True if the secret was in the link, now or earlier in this browser session."""
    given = st.query_params.pop("invite", "")
    who = st.context.ip_address or "everybody"
    if given and _guesses.wait_s(who) == 0:
        if is_invitation(given, invite):
            st.session_state["invited"] = invite
        else:
            _guesses.try_acquire(who)
            logger.warning("A wrong invitation was used")
    return bool(st.session_state.get("invited") == invite)


def _draw_user() -> None:
    with st.sidebar:
        row = st.container(horizontal=True, vertical_alignment="center")
        row.caption(str(st.user.get("email") or st.user.get("name") or "Signed in"))
        row.button("Sign out", on_click=st.logout, type="tertiary")


def _is_local() -> bool:
    """Return True if the browser runs on the app's own machine."""
    host = urlsplit(st.context.url or "").hostname or "localhost"
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Who may come in: everybody, those with the secret link, those who signed in."""

from __future__ import annotations

import functools
import ipaddress
import logging
from urllib.parse import urlsplit

import streamlit as st

from asr_core.rate_limit import KeyedBuckets
from asr_core.roles import Actor, actor_of
from asr_core.server.visitors import is_invitation
from widgets.secrets import setting
from widgets.site import is_gated

__all__ = ["admitted", "current_actor", "warn_if_open_to_all"]

logger = logging.getLogger(__name__)

_guesses = KeyedBuckets(per_s=0.5, burst=20)
"""Wrong invitations, where there is no gate that counts them."""


def admitted() -> bool:
    """Whether this visitor may use the app; if not, the way in is drawn.

    ``[auth]`` in the secrets turns on Streamlit's own sign-in (OpenID Connect),
    ``ASR_INVITE`` the secret link ``…/?invite=THE-SECRET``; either lets in. Where the gate
    stands before the app it has decided already.
    """
    can_sign_in, invite = _can_sign_in(), setting("ASR_INVITE")
    if can_sign_in and st.user.is_logged_in:
        _draw_who()
        return True
    if is_gated() or (not can_sign_in and not invite):
        return True
    if invite and _is_invited(str(invite)):
        return True
    st.title("Speak and read", anchor=False)
    if can_sign_in:
        st.write("Sign in to speak, to read, and to test models.")
        st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    else:
        st.info(
            "This app is for invited people: open it with the link that you were sent.",
            icon=":material/lock:",
        )
    return False


def current_actor() -> Actor:
    """Return who this visitor is to the test bench: by what the identity provider verified."""
    claims = st.user.to_dict() if _can_sign_in() else {}
    return actor_of(claims if claims.get("is_logged_in") else {}, setting("roles") or {})


@functools.cache
def _log_that_it_is_open() -> None:
    logger.warning(
        "Everybody who reaches this app may use it and change its test set: set [auth] or "
        "ASR_INVITE, or ASR_OPEN_TO_ALL=1 if that is meant"
    )


def warn_if_open_to_all() -> None:
    """On the test bench of an app that others reach too, and that lets everybody in."""
    if _can_sign_in() or setting("ASR_INVITE") or setting("ASR_OPEN_TO_ALL") or _is_local():
        return
    _log_that_it_is_open()
    st.warning(
        "Everybody who has the address of this app can hear, change and delete what is stored "
        "here. Whoever runs it can ask for a sign-in or a secret link (see Deploying in the "
        "README).",
        icon=":material/public:",
    )


def _can_sign_in() -> bool:
    return bool(setting("auth"))


def _is_invited(invite: str) -> bool:
    """Once shown, the link's secret holds for the browser session."""
    given = st.query_params.pop("invite", "")
    who = st.context.ip_address or "everybody"
    if given and _guesses.wait_s(who) == 0:
        if is_invitation(given, invite):
            st.session_state["invited"] = invite
        else:
            _guesses.take(who)
            logger.warning("wrong invitation")
    return bool(st.session_state.get("invited") == invite)


def _draw_who() -> None:
    with st.sidebar:
        row = st.container(horizontal=True, vertical_alignment="center")
        row.caption(str(st.user.get("email") or st.user.get("name") or "Signed in"))
        row.button("Sign out", on_click=st.logout, type="tertiary")


def _is_local() -> bool:
    """The browser is on the machine that runs the app."""
    host = urlsplit(st.context.url or "").hostname or "localhost"
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

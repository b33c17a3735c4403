"""What the browser says about the microphone, in words that help.

The recording component shows the browser's own error, which few understand;
this one asks the browser beforehand and tells what to do.
"""

from __future__ import annotations

import streamlit as st

__all__ = ["microphone_check"]

_CSS = """
p { margin: 0; padding: .75rem 1rem; border-radius: .5rem; line-height: 1.5;
  color: var(--st-red-text-color); background: var(--st-red-background-color); }
p:empty { display: none; }
"""

_JS = """
const NOT_SECURE = "The browser gives no microphone to this page, because it is not on https. " +
  "Open it as https://… or, on the machine it runs on, as http://localhost:8501.";
const REFUSED = "The browser refuses the microphone to this page. Allow it with the icon beside " +
  "the address, then press START again.";
const NONE = "No microphone was found. Plug one in, or switch it on in the system's settings, " +
  "then press START.";

export default function ({ parentElement: root }) {
  const say = (text) => {
    const p = root.querySelector("p");
    if (p.textContent !== text) p.textContent = text;
  };
  const media = navigator.mediaDevices;
  if (!window.isSecureContext || !media) { say(NOT_SECURE); return; }
  let permission = null;
  const look = async () => {
    if (permission && permission.state === "denied") { say(REFUSED); return; }
    const devices = await media.enumerateDevices();
    say(devices.some((device) => device.kind === "audioinput") ? "" : NONE);
  };
  const ask = navigator.permissions
    ? navigator.permissions.query({ name: "microphone" }).then((status) => {
        permission = status;
        status.onchange = look;
      }).catch(() => {})  // a browser that does not know this name
    : Promise.resolve();
  ask.then(look);
  media.addEventListener("devicechange", look);
  return () => {
    media.removeEventListener("devicechange", look);
    if (permission) permission.onchange = null;
  };
}
"""

_component = st.components.v2.component(
    "microphone_check", html='<p role="alert"></p>', css=_CSS, js=_JS
)


def microphone_check() -> None:
    """Draw nothing, or why the microphone cannot be had and what to do about it."""
    _component(key="microphone-check")

"""Check of the browser's microphone before START is pressed.

The recording component shows the browser's own error message, which few people understand. This
one asks the browser beforehand and explains what to do.
"""

from __future__ import annotations

from widgets.frontend import define_component

__all__ = ["microphone_check"]

_component = define_component("microphone_check")


def microphone_check() -> None:
    """Draw why the browser has no microphone and what to do; nothing if it has one."""
    _component(key="microphone-check")

"""What the browser says about the microphone, in words that help.

The recording component shows the browser's own error, which few understand;
this one asks the browser beforehand and tells what to do.
"""

from __future__ import annotations

from widgets.frontend import define_component

__all__ = ["microphone_check"]

_component = define_component("microphone_check")


def microphone_check() -> None:
    """Draw nothing, or why the microphone cannot be had and what to do about it."""
    _component(key="microphone-check")

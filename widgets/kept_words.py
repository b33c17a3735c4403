"""Final words kept in the browser's tab, where they survive a reload and the end of the app.

They lie in the tab's ``sessionStorage``, which ends with the tab and which no other tab or page
can read. Nothing of it is sent to the app.
"""

from __future__ import annotations

from collections.abc import Iterable

from widgets.frontend import define_component
from widgets.workspace import current_workspace

__all__ = ["kept_words", "storage_key"]

_PREFIX = "asr-words/"

_component = define_component("kept_words")


def storage_key(name: str) -> str:
    """Return the storage key of a recording's words in this page's workspace."""
    return f"{_PREFIX}{current_workspace().id}/{name}"


def kept_words(names: Iterable[str]) -> None:
    """Draw the words that the tab kept of workspaces that the server no longer has, if any.

    Args:
        names: recordings of this workspace; its other recordings are removed from the tab.
    """
    recordings = [storage_key(name) for name in names]
    _component(
        data={"prefix": _PREFIX, "session": storage_key(""), "recordings": recordings}, key="kept"
    )

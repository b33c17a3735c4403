"""Final words kept in the browser's tab: they outlive the app's end and a page loaded anew.

The tab's own storage (``sessionStorage``) holds them; it ends with the tab, and no other
tab or page can read it. Nothing of it is sent to the app.
"""

from __future__ import annotations

from collections.abc import Iterable

from widgets.frontend import define_component
from widgets.workspace import current_workspace

__all__ = ["kept_words", "storage_key"]

_PREFIX = "asr-words/"

_component = define_component("kept_words")


def storage_key(name: str) -> str:
    """Return where the tab keeps the words of the take ``name`` of this page's workspace."""
    return f"{_PREFIX}{current_workspace().id}/{name}"


def kept_words(names: Iterable[str]) -> None:
    """Show what the tab kept of workspaces that the server has no more, if there is anything.

    Args:
        names: the takes of this workspace; the words of others of it are forgotten.
    """
    takes = [storage_key(name) for name in names]
    _component(data={"prefix": _PREFIX, "session": storage_key(""), "takes": takes}, key="kept")

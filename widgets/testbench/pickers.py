"""Which of many are shown: by page, by tag, by name; views can be sent as a URL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import streamlit as st

from asr_core.plain_text import shortened
from widgets.typed import KEPT

__all__ = ["chosen_in_url", "page_of", "with_tags"]

Item = TypeVar("Item")

_MOST_TAGS = 500  # of a picker, the most frequent; every page has all of them in it


def chosen_in_url(label: str, options: Sequence[str], key: str, usual: int = 0) -> str:
    """A select box whose choice stands in the URL, even the usual one: what is usual
    changes, a view that was sent to a colleague does not."""
    if st.session_state.get(key) not in options:
        asked = st.query_params.get(key)
        st.session_state[key] = asked if asked in options else options[usual]
    chosen: str = st.selectbox(label, options, key=key)
    # Streamlit's own binding writes only what differs from the default.
    st.query_params[key] = chosen
    return chosen


def page_of(items: Sequence[Item], per_page: int, key: str) -> Sequence[Item]:
    """One page of ``items``; the picker is drawn if there are several."""
    n_pages = -(-len(items) // per_page)
    page = 1
    if n_pages > 1:
        if st.session_state.get(key, 1) > n_pages:  # some were deleted
            st.session_state[key] = n_pages
        page = st.number_input(f"Page of {n_pages}", 1, n_pages, key=key, persist_state=KEPT)
    return items[(page - 1) * per_page : page * per_page]


def with_tags(
    items: Iterable[Item], tags_of: Callable[[Item], Mapping[str, str]], label: str, key: str
) -> list[Item]:
    """Those with one of the chosen values of each chosen tag; all if none is chosen."""
    items = list(items)
    times = Counter(f"{tag}: {value}" for item in items for tag, value in tags_of(item).items())
    known = sorted(tag for tag, _ in times.most_common(_MOST_TAGS))
    if not known:
        return items
    groups: dict[str, set[str]] = {}
    for each in st.multiselect(
        label, known, format_func=shortened, key=key, placeholder="All", bind="query-params"
    ):
        tag, _, value = each.partition(": ")
        groups.setdefault(tag, set()).add(value)
    return [
        item
        for item in items
        if all(tags_of(item).get(tag) in values for tag, values in groups.items())
    ]

"""Pickers that narrow a list by page, tag or name, and that a URL can carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import streamlit as st

from asr_core.text.plain_text import shorten
from widgets.text_fields import PERSIST

__all__ = ["filter_by_tags", "paginate", "select_in_url"]

Item = TypeVar("Item")

_MAX_TAG_CHOICES = 500  # the most frequent ones; every page carries them all


def select_in_url(label: str, options: Sequence[str], key: str, default: int = 0) -> str:
    """Draw a select box whose choice is in the URL, and return the choice.

    Even the default is written: defaults change, but a shared link must not.
    """
    if st.session_state.get(key) not in options:
        asked = st.query_params.get(key)
        st.session_state[key] = asked if asked in options else options[default]
    chosen: str = st.selectbox(label, options, key=key)
    # Streamlit's own binding writes only values other than the default.
    st.query_params[key] = chosen
    return chosen


def paginate(items: Sequence[Item], per_page: int, key: str) -> Sequence[Item]:
    """Return one page of ``items``; draw the page picker if there are several."""
    n_pages = -(-len(items) // per_page)
    page = 1
    if n_pages > 1:
        if st.session_state.get(key, 1) > n_pages:  # some were deleted
            st.session_state[key] = n_pages
        page = st.number_input(f"Page of {n_pages}", 1, n_pages, key=key, persist_state=PERSIST)
    return items[(page - 1) * per_page : page * per_page]


def filter_by_tags(
    items: Iterable[Item], tags_of: Callable[[Item], Mapping[str, str]], label: str, key: str
) -> list[Item]:
    """Draw the tag picker and return the items that match it; all if nothing is chosen."""
    items = list(items)
    times = Counter(f"{tag}: {value}" for item in items for tag, value in tags_of(item).items())
    known = sorted(tag for tag, _ in times.most_common(_MAX_TAG_CHOICES))
    if not known:
        return items
    groups: dict[str, set[str]] = {}
    for each in st.multiselect(
        label, known, format_func=shorten, key=key, placeholder="All", bind="query-params"
    ):
        tag, _, value = each.partition(": ")
        groups.setdefault(tag, set()).add(value)
    return [
        item
        for item in items
        if all(tags_of(item).get(tag) in values for tag, values in groups.items())
    ]

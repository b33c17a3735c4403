"""The store behind the pages, or a sentence why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from asr_core.errors import AsrError
from asr_core.testbench.store import Store, open_store
from widgets.texts import as_written

__all__ = ["chosen_in_url", "opened_store", "saying_errors", "tag_fields"]

_USUAL_TAGS = ("speaker", "accent", "device", "place")


def opened_store() -> Store | None:
    """None with a message if it cannot be opened."""
    try:
        return open_store()
    except AsrError as error:
        st.error(as_written(str(error)), icon=":material/error:")
        return None


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


@contextmanager
def saying_errors(done: Callable[[], None] | None = None) -> Iterator[None]:
    """What goes wrong inside is said on the page; ``done`` runs if nothing did."""
    try:
        yield
    except AsrError as error:
        st.error(as_written(str(error)), icon=":material/error:")
    else:
        if done is not None:
            done()


def tag_fields(key: str, known: dict[str, str] | None = None) -> dict[str, str]:
    """Fields for the usual tags and free ones; raises ManifestError for unreadable ones."""
    from asr_core.testbench.cases import parse_tags

    known = known or {}
    columns = st.columns(2)
    tags = {}
    for i, tag in enumerate(_USUAL_TAGS):
        value = columns[i % 2].text_input(
            tag.capitalize(), known.get(tag, ""), key=f"{key}-{tag}", max_chars=100
        )
        tags[tag] = value.strip()
    others = ", ".join(f"{t}={v}" for t, v in known.items() if t not in _USUAL_TAGS)
    free = st.text_input(
        "Other tags", others, key=f"{key}-other", placeholder="age=60s, dialect=Geordie"
    )
    return {**{t: v for t, v in tags.items() if v}, **parse_tags(free)}

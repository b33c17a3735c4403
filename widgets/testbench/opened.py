"""The store behind the pages, or a sentence why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from asr_core.errors import AsrError
from asr_core.roles import Actor, actor_of
from asr_core.testbench.store import Store, open_store
from widgets.secrets import setting
from widgets.texts import as_written

__all__ = ["current_actor", "opened_store", "saying_errors", "tag_fields"]

_USUAL_TAGS = ("speaker", "accent", "device", "place")


def current_actor() -> Actor:
    """Return who this visitor is to the store: by what the identity provider verified."""
    claims = st.user.to_dict() if setting("auth") else {}
    return actor_of(claims if claims.get("is_logged_in") else {}, setting("roles") or {})


def opened_store() -> Store | None:
    """The store in this visitor's hands; None with a message if it cannot be opened."""
    try:
        return open_store().acting(current_actor())
    except AsrError as error:
        st.error(as_written(str(error)), icon=":material/error:")
        return None


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
    other = {tag: value for tag, value in known.items() if tag not in _USUAL_TAGS}
    others = ", ".join(f"{tag}={value}" for tag, value in other.items())
    free = st.text_input(
        "Other tags",
        others,
        key=f"{key}-other",
        max_chars=2000,
        placeholder="age=60s, dialect=Geordie",
    )
    # What came in by an import may have signs that cannot be written here; it can be kept.
    return {
        **{tag: value for tag, value in tags.items() if value},
        **(other if free == others else parse_tags(free)),
    }

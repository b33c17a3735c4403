"""The store behind the pages, or a sentence why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.uploaded_file_manager import UploadedFile

from asr_core.audio.decode import decode
from asr_core.audio.encode import to_int16
from asr_core.errors import AsrError
from asr_core.testbench.store import Store, open_store
from widgets.entrance import current_actor
from widgets.texts import as_written
from widgets.typed import KEPT, typed
from widgets.workspace import stored_upload

__all__ = ["opened_store", "samples_of_upload", "saying_errors", "tag_fields"]

_USUAL_TAGS = ("speaker", "accent", "device", "place")


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


def samples_of_upload(file: UploadedFile, name: str, most_s: float) -> NDArray[np.int16]:
    """Return the (n_samples,) of a recording that was sent, mono 16 kHz.

    Raises:
        AsrError: it cannot be read, is longer than ``most_s``, or there is no room for it.
    """
    with stored_upload(file).open() as source:
        return to_int16(decode(source, name, most_s))


def tag_fields(key: str, known: dict[str, str] | None = None) -> dict[str, str]:
    """Fields for the usual tags and free ones; raises ManifestError for unreadable ones."""
    from asr_core.testbench.cases import parse_tags

    known = known or {}
    columns = st.columns(2)
    tags = {}
    for i, tag in enumerate(_USUAL_TAGS):
        value = columns[i % 2].text_input(
            tag.capitalize(), key=typed(f"{key}-{tag}", known.get(tag, "")), max_chars=100,
            persist_state=KEPT,
        )  # fmt: skip
        tags[tag] = value.strip()
    other = {tag: value for tag, value in known.items() if tag not in _USUAL_TAGS}
    others = ", ".join(f"{tag}={value}" for tag, value in other.items())
    free = st.text_input(
        "Other tags",
        key=typed(f"{key}-other", others),
        persist_state=KEPT,
        max_chars=2000,
        placeholder="age=60s, dialect=Geordie",
    )
    # What came in by an import may have signs that cannot be written here; it can be kept.
    return {
        **{tag: value for tag, value in tags.items() if value},
        **(other if free == others else parse_tags(free)),
    }

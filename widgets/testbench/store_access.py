"""Access to the test bench's store, with its errors drawn on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.uploaded_file_manager import UploadedFile

from asr_core.audio.decode import decode
from asr_core.audio.pcm import to_int16
from asr_core.errors import AsrError
from asr_core.evaluation.store import Store, open_store
from widgets.access import current_actor
from widgets.markdown import escape_markdown
from widgets.text_fields import PERSIST, field_key
from widgets.workspace import stored_upload

__all__ = ["decode_upload", "show_errors", "tag_fields", "visitor_store"]

_COMMON_TAGS = ("speaker", "accent", "device", "place")


def visitor_store() -> Store | None:
    """Return the store for this visitor; draw a message and return None if it fails to open."""
    try:
        return open_store().acting(current_actor())
    except AsrError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return None


@contextmanager
def show_errors(done: Callable[[], object] | None = None) -> Iterator[None]:
    """Draw an error raised inside the block; call ``done`` if there was none."""
    try:
        yield
    except AsrError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
    else:
        if done is not None:
            done()


def decode_upload(file: UploadedFile, name: str, max_s: float) -> NDArray[np.int16]:
    """Return the samples of an uploaded recording, (n_samples,), mono 16 kHz.

    Raises:
        AsrError: it cannot be read, is longer than ``max_s``, or there is no space for it.
    """
    with stored_upload(file).open() as source:
        return to_int16(decode(source, name, max_s))


def tag_fields(key: str, known: dict[str, str] | None = None) -> dict[str, str]:
    """Draw the tag fields and return the tags.

    Raises:
        ManifestError: the free-form tags cannot be parsed.
    """
    from asr_core.evaluation.cases import parse_tags

    known = known or {}
    columns = st.columns(2)
    tags = {}
    for i, tag in enumerate(_COMMON_TAGS):
        value = columns[i % 2].text_input(
            tag.capitalize(), key=field_key(f"{key}-{tag}", known.get(tag, "")), max_chars=100,
            persist_state=PERSIST,
        )  # fmt: skip
        tags[tag] = value.strip()
    other = {tag: value for tag, value in known.items() if tag not in _COMMON_TAGS}
    others = ", ".join(f"{tag}={value}" for tag, value in other.items())
    free = st.text_input(
        "Other tags",
        key=field_key(f"{key}-other", others),
        persist_state=PERSIST,
        max_chars=2000,
        placeholder="age=60s, dialect=Geordie",
    )
    # Imported tags may contain characters that cannot be typed here; keep them unchanged.
    return {
        **{tag: value for tag, value in tags.items() if value},
        **(other if free == others else parse_tags(free)),
    }

"""Sidebar with model, language and task, and the engine for them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from asr_core.engines import Engine, Task, load_engine
from asr_core.errors import AsrError
from asr_core.languages import LANGUAGES
from asr_core.models import (
    CATALOGUE,
    DEFAULT_MODEL,
    ModelAllowlist,
    Progress,
    capabilities,
    check_request,
    enforce_allowlist,
    find_local,
    read_allowlist,
    resolve,
)
from asr_core.text.terms import MAX_TERMS, parse_terms
from widgets.markdown import escape_markdown
from widgets.text_fields import PERSIST, field_key
from widgets.workarounds.streamlit_runtime import use_page_navigation

__all__ = [
    "RecognitionSettings",
    "choose_settings",
    "current_settings",
    "load_chosen_engine",
    "offered_models",
]

logger = logging.getLogger(__name__)

_OTHER = "Other…"
_TASKS: dict[Task, str] = {
    "transcribe": "Transcribe in the spoken language",
    "translate": "Translate into English",
}


@dataclass(frozen=True)
class RecognitionSettings:
    """Model, language, task and terms chosen in the sidebar; no language means detection."""

    model: str
    language: str | None
    task: Task
    terms: tuple[str, ...] = ()


def current_settings() -> RecognitionSettings:
    """Return the settings of this browser session."""
    if "settings" not in st.session_state:
        use_page_navigation()
        st.rerun()
    settings: RecognitionSettings = st.session_state["settings"]
    return settings


def offered_models() -> ModelAllowlist:
    """Return the models a visitor may choose; draw an error and return the default if unreadable."""
    try:
        return read_allowlist()
    except AsrError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return ModelAllowlist((DEFAULT_MODEL,))


def _chosen_model(models: ModelAllowlist) -> str:
    """Draw the model picker; return an empty string while no model is named."""
    names = [*models.names, *([_OTHER] if models.is_open else [])]
    model = st.selectbox(
        "Model",
        names,
        index=names.index(DEFAULT_MODEL) if DEFAULT_MODEL in names else 0,
        key="model",
        help="Larger models are more accurate and slower. Each is downloaded once.",
    )
    if models.is_open and model == _OTHER:
        return st.text_input(
            "Hub ID or directory",
            key=field_key("other_model"),
            persist_state=PERSIST,
            placeholder="owner/name or /path/to/model",
            help="A Whisper model in CTranslate2 or transformers format.",
        ).strip()
    if model in CATALOGUE:
        st.caption(CATALOGUE[model].summary)
    return model


def choose_settings() -> None:
    """Draw the pickers, whose values ``current_settings`` returns."""
    enforce_allowlist()  # from here on, whatever page or thread asks for a model
    st.header("Recognition")
    model = _chosen_model(offered_models())
    known = capabilities(model)
    english_only = known is not None and not known.is_multilingual
    only_transcribes = known is not None and not known.can_translate
    language = st.selectbox(
        "Language",
        [None, *LANGUAGES],
        format_func=lambda code: "Detect" if code is None else LANGUAGES[code],
        key="language",
        disabled=english_only,
        help="Detection uses the first seconds of speech.",
    )
    task = st.radio(
        "Task", list(_TASKS), format_func=_TASKS.__getitem__, key="task", disabled=only_transcribes
    )
    if english_only:
        st.caption("This model supports English only.")
        language = "en"
    elif only_transcribes:
        st.caption("This model was not trained to translate.")
    if only_transcribes:
        task = "transcribe"
    st.session_state["settings"] = RecognitionSettings(model, language, task, _chosen_terms())


def _chosen_terms() -> tuple[str, ...]:
    """Draw the field for names and terms; return as many as an engine takes."""
    terms = parse_terms(
        st.text_area(
            "Names and terms", key=field_key("terms"), persist_state=PERSIST, height=68,
            placeholder="Nagg, Nell, Endgame", max_chars=10_000,
            help="Words that may occur and are easily misrecognised, separated by commas or line "
            "breaks. They become likelier; none is written that does not fit the sound.",
        )
    )  # fmt: skip
    if len(terms) > MAX_TERMS:
        st.caption(f"Only the first {MAX_TERMS} of these {len(terms)} are used.")
    return terms[:MAX_TERMS]


def load_chosen_engine(settings: RecognitionSettings) -> Engine | None:
    """Return the loaded engine for ``settings``; draw a message and return None if it fails."""
    if not settings.model:
        st.info("Enter a model in the sidebar: a hub ID (owner/name) or a directory.")
        return None
    slot = st.empty()
    models = offered_models()
    try:
        directory = find_local(settings.model)
        if directory is None:
            directory = resolve(
                settings.model, lambda progress: _show_progress(slot, settings, progress)
            )
        check_request(settings.model, settings.language, translate=settings.task == "translate")
        with slot, st.spinner(f"Loading the model {escape_markdown(settings.model)}…"):
            engine = load_engine(directory, live=True)
    except AsrError as error:
        slot.error(
            escape_markdown(_error_text(error, models, settings.model)), icon=":material/error:"
        )
        return None
    slot.empty()
    if settings.language is not None and settings.language not in engine.languages:
        st.error(
            f"The model {escape_markdown(settings.model)} does not support "
            f"{LANGUAGES[settings.language]}. Choose another language or a multilingual model.",
            icon=":material/error:",
        )
        return None
    return engine


def _error_text(error: AsrError, models: ModelAllowlist, model: str) -> str:
    """Return the error's text, without details if the model is a directory of the operator's."""
    if model not in models.directories:
        return str(error)
    logger.error("The model %s cannot be used: %s", models.directories[model], error)
    return f"The model {model} is unavailable at the moment; see the server's log."


def _show_progress(
    place: DeltaGenerator, settings: RecognitionSettings, progress: Progress
) -> None:
    share = progress.done_mb / progress.total_mb if progress.total_mb else 0.0
    total = f" of {progress.total_mb:.0f}" if progress.total_mb else ""
    place.progress(
        min(share, 1.0),
        f"Downloading {escape_markdown(settings.model)} from {progress.source}: {progress.done_mb:.0f}{total} MB",
    )

"""The sidebar: which model, language and task; and the engine that they need."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.pages_manager import PagesManager

from asr_core.engines import Engine, Task, load_engine
from asr_core.errors import AsrError
from asr_core.languages import LANGUAGES
from asr_core.limits import Limits
from asr_core.models import (
    CATALOGUE,
    DEFAULT_MODEL,
    Offer,
    Progress,
    abilities,
    check_request,
    find_local,
    offer,
    resolve,
    serve_visitors,
)
from widgets.texts import as_written
from widgets.typed import KEPT, typed

__all__ = [
    "Settings",
    "choose_settings",
    "current_settings",
    "limits",
    "offered",
    "prepared_engine",
]

logger = logging.getLogger(__name__)

_OTHER = "Other…"
_TASKS: dict[Task, str] = {
    "transcribe": "Transcribe, in the language spoken",
    "translate": "Translate into English",
}


@dataclass(frozen=True)
class Settings:
    """What the sidebar says."""

    model: str
    language: str | None
    task: Task


def current_settings() -> Settings:
    """The settings of this browser session."""
    if "settings" not in st.session_state:
        # A server that nobody has visited yet takes files in pages/ for apps of their
        # own if one of them is opened first; from here on it runs streamlit_app.py.
        PagesManager.uses_pages_directory = False
        st.rerun()
    settings: Settings = st.session_state["settings"]
    return settings


def limits() -> Limits:
    """What the operator allows one user; without limits, and a sentence, if that is unreadable."""
    try:
        return Limits.read()
    except AsrError as error:
        st.error(as_written(str(error)), icon=":material/error:")
        return Limits()


def offered() -> Offer:
    """The models that a visitor may choose; those of the default, and a sentence, if a setting
    is unreadable."""
    try:
        return offer()
    except AsrError as error:
        st.error(as_written(str(error)), icon=":material/error:")
        return Offer((DEFAULT_MODEL,))


def _chosen_model(models: Offer) -> str:
    """Draw the picker; empty while nothing is named."""
    names = [*models.names, *([_OTHER] if models.is_open else [])]
    model = st.selectbox(
        "Model",
        names,
        index=names.index(DEFAULT_MODEL) if DEFAULT_MODEL in names else 0,
        key="model",
        help="Larger models hear better and take longer. They are fetched once.",
    )
    if models.is_open and model == _OTHER:
        return st.text_input(
            "Hub id or directory",
            key=typed("other_model"),
            persist_state=KEPT,
            placeholder="owner/name or /path/to/model",
            help="A Whisper model in CTranslate2 or transformers format.",
        ).strip()
    if model in CATALOGUE:
        st.caption(CATALOGUE[model].summary)
    return model


def choose_settings() -> None:
    """Draw the pickers; ``current_settings`` has what was chosen."""
    serve_visitors()  # from here on, whatever page or thread asks for a model
    st.header("Recognition")
    model = _chosen_model(offered())
    known = abilities(model)
    english_only = known is not None and not known.is_multilingual
    only_transcribes = known is not None and not known.can_translate
    language = st.selectbox(
        "Language",
        [None, *LANGUAGES],
        format_func=lambda code: "Detect" if code is None else LANGUAGES[code],
        key="language",
        disabled=english_only,
        help="Detection listens to the first seconds of speech.",
    )
    task = st.radio(
        "Task", list(_TASKS), format_func=_TASKS.__getitem__, key="task", disabled=only_transcribes
    )
    if english_only:
        st.caption("This model knows English only.")
        language = "en"
    elif only_transcribes:
        st.caption("This model was not trained to translate.")
    if only_transcribes:
        task = "transcribe"
    st.session_state["settings"] = Settings(model, language, task)


def prepared_engine(settings: Settings) -> Engine | None:
    """The engine for ``settings``, fetched and loaded; None with a message if it cannot be."""
    if not settings.model:
        st.info("Name a model in the sidebar: a hub id (owner/name) or a directory.")
        return None
    place = st.empty()
    models = offered()
    try:
        directory = find_local(settings.model)
        if directory is None:
            directory = resolve(settings.model, lambda progress: _show(place, settings, progress))
        check_request(settings.model, settings.language, translate=settings.task == "translate")
        with place, st.spinner(f"Loading the model {as_written(settings.model)} …"):
            engine = load_engine(directory, live=True)
    except AsrError as error:
        place.error(as_written(_said(error, models, settings.model)), icon=":material/error:")
        return None
    place.empty()
    if settings.language is not None and settings.language not in engine.languages:
        st.error(
            f"The model {as_written(settings.model)} does not know {LANGUAGES[settings.language]}; "
            "choose another language or a multilingual model.",
            icon=":material/error:",
        )
        return None
    return engine


def _said(error: AsrError, models: Offer, model: str) -> str:
    """The error; of a directory of the operator's a visitor learns no more than its name."""
    if model not in models.places:
        return str(error)
    logger.error("The model %s cannot be used: %s", models.places[model], error)
    return f"The model {model} cannot be used just now; the server's log says why."


def _show(place: DeltaGenerator, settings: Settings, progress: Progress) -> None:
    share = progress.done_mb / progress.total_mb if progress.total_mb else 0.0
    total = f" of {progress.total_mb:.0f}" if progress.total_mb else ""
    place.progress(
        min(share, 1.0),
        f"Fetching {as_written(settings.model)} from {progress.source}: {progress.done_mb:.0f}{total} MB",
    )

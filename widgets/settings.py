"""The sidebar: which model, language and task; and the engine that they need."""

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
from asr_core.ops.limits import UsageLimits
from widgets.markdown import escape_markdown
from widgets.text_fields import PERSIST, field_key
from widgets.workarounds.streamlit_runtime import use_page_navigation

__all__ = [
    "Settings",
    "choose_settings",
    "current_settings",
    "limits",
    "load_chosen_engine",
    "offered",
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
        use_page_navigation()
        st.rerun()
    settings: Settings = st.session_state["settings"]
    return settings


def limits() -> UsageLimits:
    """What the operator allows one user; without limits, and a sentence, if that is unreadable."""
    try:
        return UsageLimits.read()
    except AsrError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return UsageLimits()


def offered() -> ModelAllowlist:
    """The models that a visitor may choose; those of the default, and a sentence, if a setting
    is unreadable."""
    try:
        return read_allowlist()
    except AsrError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return ModelAllowlist((DEFAULT_MODEL,))


def _chosen_model(models: ModelAllowlist) -> str:
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
            key=field_key("other_model"),
            persist_state=PERSIST,
            placeholder="owner/name or /path/to/model",
            help="A Whisper model in CTranslate2 or transformers format.",
        ).strip()
    if model in CATALOGUE:
        st.caption(CATALOGUE[model].summary)
    return model


def choose_settings() -> None:
    """Draw the pickers; ``current_settings`` has what was chosen."""
    enforce_allowlist()  # from here on, whatever page or thread asks for a model
    st.header("Recognition")
    model = _chosen_model(offered())
    known = capabilities(model)
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


def load_chosen_engine(settings: Settings) -> Engine | None:
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
        with place, st.spinner(f"Loading the model {escape_markdown(settings.model)} …"):
            engine = load_engine(directory, live=True)
    except AsrError as error:
        place.error(escape_markdown(_said(error, models, settings.model)), icon=":material/error:")
        return None
    place.empty()
    if settings.language is not None and settings.language not in engine.languages:
        st.error(
            f"The model {escape_markdown(settings.model)} does not know {LANGUAGES[settings.language]}; "
            "choose another language or a multilingual model.",
            icon=":material/error:",
        )
        return None
    return engine


def _said(error: AsrError, models: ModelAllowlist, model: str) -> str:
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
        f"Fetching {escape_markdown(settings.model)} from {progress.source}: {progress.done_mb:.0f}{total} MB",
    )

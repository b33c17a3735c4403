"""The model picker offers the operator's list, whatever a page sends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from asr_core.models import NOT_OFFERED, allowlist
from widgets.markdown import escape_markdown
from widgets.settings import RecognitionSettings


def script() -> None:
    import streamlit as st

    from widgets.settings import choose_settings, current_settings, load_chosen_engine

    with st.sidebar:
        if "sent" not in st.session_state:
            choose_settings()
    engine = load_chosen_engine(current_settings())
    st.write("ready" if engine else "not ready")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tiny_en: Path) -> Iterator[AppTest]:
    monkeypatch.setattr(allowlist, "_serving", threading.Event())
    monkeypatch.setenv("ASR_MODELS", "tiny.en")
    yield AppTest.from_function(script, default_timeout=60)


def texts(page: AppTest) -> list[str]:
    return [element.value for element in (*page.error, *page.markdown)]


def test_only_listed_models_can_be_chosen(page: AppTest) -> None:
    page.run()
    assert page.selectbox(key="model").options == ["tiny.en"]
    assert not page.text_input
    assert texts(page) == ["ready"]


@pytest.mark.parametrize("model", ["/etc", "/nowhere/at/all", "some/model", "base", "Other…", "~"])
def test_a_value_sent_by_the_browser_is_refused_with_the_same_sentence(
    page: AppTest, model: str
) -> None:
    """A widget's state is whatever the browser sends; here it replaces the picker's."""
    page.run()
    page.session_state["settings"] = RecognitionSettings(model, "en", "transcribe")
    page.session_state["sent"] = True
    page.run()
    assert not page.exception
    assert texts(page) == [escape_markdown(NOT_OFFERED), "not ready"]


def test_a_directory_shows_no_more_than_its_name(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_MODELS", str(tmp_path / "mine"))
    page.run()
    assert page.selectbox(key="model").options == ["mine"]
    [error, _] = texts(page)
    assert str(tmp_path) not in error and "server's log" in error


def test_on_ones_own_machine_any_model_may_be_named(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, tiny_en: Path
) -> None:
    monkeypatch.setenv("ASR_MODELS", "tiny.en,*")
    page.run()
    page.selectbox(key="model").select("Other…").run()
    page.text_input(key="other_model").input(str(tiny_en)).run()
    assert texts(page) == ["ready"]


def test_an_invalid_setting_gives_a_sentence(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_MODELS", "~nobody-at-all/model")
    page.run()
    assert not page.exception
    assert any("check the path" in error.value for error in page.error)


def picking() -> None:
    import streamlit as st

    from widgets.settings import choose_settings, current_settings

    choose_settings()
    chosen = current_settings()
    st.text(f"{chosen.language} {chosen.task}")


def test_unsupported_options_cannot_be_chosen(
    monkeypatch: pytest.MonkeyPatch, tiny_en: Path
) -> None:
    monkeypatch.setattr(allowlist, "_serving", threading.Event())
    monkeypatch.setenv("ASR_MODELS", "base, tiny.en, large-v3-turbo, distil-large-v3")
    page = AppTest.from_function(picking, default_timeout=60).run()
    page.selectbox(key="language").set_value("de")
    page.radio(key="task").set_value("translate").run()
    assert page.text[0].value == "de translate"
    for model, chosen in (
        ("tiny.en", "en transcribe"),
        ("large-v3-turbo", "de transcribe"),
        ("distil-large-v3", "en transcribe"),
    ):
        page.selectbox(key="model").set_value(model).run()
        assert page.radio(key="task").disabled
        assert page.text[0].value == chosen
        assert "English only" in page.caption[-1].value or "translate" in page.caption[-1].value


def test_an_unsupported_task_is_reported_before_the_model_is_loaded(page: AppTest) -> None:
    page.run()
    page.session_state["settings"] = RecognitionSettings("tiny.en", "en", "translate")
    page.session_state["sent"] = True
    page.run()
    assert "knows English only, so it cannot translate" in texts(page)[0]
    assert texts(page)[1] == "not ready"

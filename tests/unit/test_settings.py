from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from asr_core.errors import SettingsError
from asr_core.settings import RENAMED, Settings, name_of, read_settings, use_secrets
from scripts import settings_table

NAMES = {name_of(field): field_name for field_name, field in Settings.model_fields.items()}


@pytest.fixture
def secrets() -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Give the app these secrets."""
    yield lambda given: use_secrets(lambda: given)
    use_secrets(dict)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_settings()
    monkeypatch.setenv("ASR_MAX_SPEAKERS", "3")
    monkeypatch.setenv("ASR_MAX_RECORDING_MINUTES", " 0.5 ")
    monkeypatch.setenv("ASR_MAX_FILE_MINUTES", " ")
    monkeypatch.setenv("ASR_MODELS", "base, owner/name,")
    monkeypatch.setenv("ASR_PRIVATE_PEERS", "No")
    monkeypatch.setenv("ASR_LOG", "JSON")
    monkeypatch.setenv("TURN_URLS", "turn:a, turns:b")
    found = read_settings()
    assert (found.max_speakers, found.max_recording_minutes, found.max_file_minutes) == (
        3,
        0.5,
        720,
    )
    assert (found.models, found.turn_urls) == (("base", "owner/name"), ("turn:a", "turns:b"))
    assert (found.private_peers, found.log) == (False, "json")
    monkeypatch.undo()
    assert read_settings() == before


def test_secrets_have_types_and_go_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, secrets: Callable[[Mapping[str, Any]], None]
) -> None:
    monkeypatch.setenv("ASR_INVITE", "from the environment")
    monkeypatch.setenv("ASR_KEEP_MINUTES", "5")
    servers = [{"urls": "turn:turn.example.org:3478", "username": "u", "credential": "c"}]
    secrets({"ASR_INVITE": 1234, "ASR_PRIVATE_PEERS": False, "ASR_MODELS": ["base"],
             "ICE_SERVERS": servers, "auth": {"client_id": "x"}})  # fmt: skip
    found = read_settings()
    assert (found.invite, found.keep_minutes, found.private_peers) == ("1234", 5, False)
    assert found.models == ("base",)
    assert found.ice_servers == tuple(servers)


@pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "inf"])
@pytest.mark.parametrize("name", ["ASR_MAX_SPEAKERS", "ASR_MAX_FILE_MINUTES", "ASR_METRICS_PORT"])
def test_what_is_no_number_is_said(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError, match=rf"^{name} is '{text}'; set it to a .*number above 0"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ASR_LOG", "plain or json"), ("ASR_OPEN_TO_ALL", "yes or no"), ("ASR_MODELS", "a list")],
)
def test_what_is_no_value_is_said(
    name: str, expected: str, secrets: Callable[[Mapping[str, Any]], None]
) -> None:
    secrets({name: {"some": "table"}})
    with pytest.raises(SettingsError, match=f"^{name} is .*; set it to {expected}.*, or remove it"):
        read_settings()


def test_a_secret_is_never_shown(secrets: Callable[[Mapping[str, Any]], None]) -> None:
    secrets(
        {"TURN_SECRET": "north", "ASR_INVITE": "wind", "ASR_TESTBENCH_URL": "postgresql://u:pw@h/d"}
    )
    shown = repr(read_settings())
    assert not any(word in shown for word in ("north", "wind", "pw"))
    secrets({"TURN_SECRET": ["north"]})
    with pytest.raises(SettingsError, match=r"^TURN_SECRET is not valid; set it to text") as error:
        read_settings()
    assert "north" not in str(error.value)


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_works_and_is_told_once(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("7", "8"):
        monkeypatch.setenv(old, text)
        assert getattr(read_settings(), NAMES[new]) == float(text)
    [warning] = caplog.messages
    assert old in warning and new in warning
    monkeypatch.setenv(new, "9")
    assert getattr(read_settings(), NAMES[new]) == 9


def test_the_document_is_made_from_the_settings() -> None:
    text = settings_table.DOCUMENT.read_text(encoding="utf-8")
    assert text == settings_table.document()
    assert all(f"| `{name}` | " in text for name in NAMES)

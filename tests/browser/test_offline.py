"""With the model fetched, nothing leaves the machine: no packet, no look-up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from asr_core.audio.decode import decode
from asr_core.audio.pcm import to_int16
from asr_core.evaluation.cases import Case, NewCase
from asr_core.evaluation.conditions import CLEAN, Condition
from asr_core.evaluation.roles import Actor, Role
from asr_core.evaluation.store import open_store
from asr_core.evaluation.trial import SystemConfig, Trial, TrialResult
from asr_core.models import cache_dir
from asr_core.transcript import Word
from tests.browser import networks, outside
from tests.browser.conftest import ROOT, chromium, served
from tests.browser.pages import LivePage, UploadPage, go_to, wait_until
from tests.support.texts import BECKETT

PORT = 8501
ADDRESS = f"http://10.77.9.2:{PORT}"

TELEMETRY_S = 16.0
"""ONNX Runtime 1.32 looked up its vendor's host ten seconds after a model was loaded."""

SERVED = ("-m", "streamlit", "run", "streamlit_app.py")
OPERATOR = "root@lab.example"
SECRET = "a secret of the test"
SECRETS = f"""
[auth]
redirect_uri = "{ADDRESS}/oauth2callback"
cookie_secret = "{SECRET}"
client_id = "app"
client_secret = "another"
server_metadata_url = "https://provider.example/.well-known/openid-configuration"
[roles]
operators = ["{OPERATOR}"]
"""


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[outside.Card]:
    if not networks.can_be_made():
        pytest.skip("needs root's right to make networks, and Debian's iproute2")
    with outside.app_alone(), outside.watched_card(tmp_path_factory.mktemp("card")) as card:
        yield card


def inside(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``command`` on the isolated machine, as after a fresh installation."""
    return subprocess.run(
        networks.run_inside(outside.ALONE, *command),
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=120,
        env=os.environ | environment,
    )  # fmt: skip


def test_the_network_card_sees_outgoing_packets(card: outside.Card) -> None:
    code = "import socket; socket.getaddrinfo('example.org', 443)"
    inside(sys.executable, "-c", code)
    code = "import socket; s = socket.socket(); s.settimeout(0.1); s.connect(('192.0.2.1', 443))"
    inside(sys.executable, "-c", code)
    seen = card.seen()
    assert any("looks up example.org" in line for line in seen)
    assert "TCP to 192.0.2.1 port 443" in seen


def test_the_command_line_sends_nothing(
    card: outside.Card, tiny_en: Path, speech_files: Path, tmp_path: Path
) -> None:
    before = len(card.seen())
    talk = shutil.copy(speech_files / "beckett.wav", tmp_path / "talk.wav")
    row = {"file_name": "talk.wav", "transcription": "Ever tried. Ever failed."}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    lingering = (  # a command that runs as long as one on a long file
        "import sys, time; from asr_core.cli.main import main\n"
        f"code = main(sys.argv[1:]); time.sleep({TELEMETRY_S}); sys.exit(code)"
    )
    commands = [
        [sys.executable, "-c", lingering, "transcribe", str(talk), "--model", "tiny.en"],
        [sys.executable, "-c", lingering, "transcribe", str(talk), "--model", "tiny.en",
         "--engine", "ctranslate2"],
        [sys.executable, "-m", "asr_core", "stream", str(talk), "--model", "tiny.en"],
        [sys.executable, "-m", "asr_core", "evaluate", str(tmp_path), "--model", "tiny.en"],
        [sys.executable, "-m", "asr_core", "models", "list"],
        [sys.executable, "-m", "asr_core", "models", "fetch", "tiny.en"],
    ]  # fmt: skip
    home = tmp_path / "home"
    home.mkdir()
    with ThreadPoolExecutor(2) as pool:
        ran = [
            pool.submit(inside, *command, HOME=str(home), ASR_MODELS_DIR=str(cache_dir()))
            for command in commands
        ]
        for done in ran:
            assert done.result().returncode == 0, done.result().stderr
    assert card.seen()[before:] == []
    assert not (home / ".cache" / "Microsoft").exists()


@pytest.fixture
def visitor(
    card: outside.Card, launch: Callable[..., Browser], playwright: Playwright,
    speech_files: Path, tmp_path: Path,
) -> Page:  # fmt: skip
    """A page in a browser on the visitor's machine."""
    program = tmp_path / "browser"
    command = " ".join(networks.run_inside(outside.VISITOR, chromium(playwright)))
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o755)
    # The page has no https.
    allowed = [f"--unsafely-treat-insecure-origin-as-secure={ADDRESS}"]
    microphone = speech_files / "two_cities.wav"
    return launch(microphone, program=program, switches=allowed).new_context().new_page()


def foreign_page_connects() -> None:
    """Open a WebSocket to the app, as a page of another origin would."""
    code = (
        "import socket; s = socket.create_connection(('10.77.9.2', 8501)); s.settimeout(30)\n"
        "s.sendall(b'GET /_stcore/stream HTTP/1.1\\r\\nHost: 10.77.9.2:8501\\r\\n'\n"
        "  b'Upgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\n'\n"
        "  b'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n'\n"
        "  b'Origin: https://foreign.example\\r\\n\\r\\n')\n"
        "s.recv(100)"
    )
    command = networks.run_inside(outside.VISITOR, sys.executable, "-c", code)
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.fixture
def bench(speech_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One case and a finished run of two models, one of which got a noisy word wrong."""
    monkeypatch.setenv("ASR_TESTBENCH_DIR", str(tmp_path / "bench"))
    opened = open_store()
    store = opened.acting(Actor("", Role.REVIEWER))
    recording = to_int16(decode(speech_files / "beckett.wav"))
    case = store.add_case(NewCase("talk", BECKETT, recording, "en", {"accent": "Irish"}))
    conditions = (CLEAN, Condition("white", 20), Condition("white", 0))
    systems = (SystemConfig("tiny.en"), SystemConfig("base"))
    run = store.add_run("seeded", [case.id], conditions, systems)
    for condition in conditions:
        for system in systems:
            is_wrong = condition == conditions[-1] and system.model == "base"
            text = BECKETT.replace("matter", "butter") if is_wrong else BECKETT
            store.add_trial(run, _trial(case, text, condition, system))
    opened.close()


def _trial(case: Case, text: str, condition: Condition, system: SystemConfig) -> Trial:
    words = tuple(Word(f" {word}", i, i + 1, 0.9) for i, word in enumerate(text.split()))
    result = TrialResult(words, "en", audio_s=10.0, processing_s=1.0)
    return Trial(case.id, case.name, case.reference, "en", condition, system, result, case.tags)


def look_at_the_bench(page: Page) -> None:
    """Open every section, and all results of the run of ``bench``."""
    for section in ("Cases", "Runs", "Flags"):
        go_to(page, f"{ADDRESS}/testbench?section={section}", "Test bench")
        page.wait_for_timeout(500)
    go_to(page, f"{ADDRESS}/testbench?section=Results", "Test bench")
    drawn = page.locator('[data-testid="stVegaLiteChart"] :is(canvas, svg)')
    wait_until(lambda: drawn.count() >= 4, page, 30)  # conditions, tags, a curve, calibration
    expect(page.locator("audio").first).to_be_attached()
    go_to(page, f"{ADDRESS}/testbench?section=Compare", "Test bench")
    page.get_by_text(re.compile(r"^Became (worse|better) \(1\)$")).click()
    expect(page.locator("audio").first).to_be_attached()


def test_the_app_sends_nothing(
    card: outside.Card,
    visitor: Page,
    base: Path,
    tiny_en: Path,
    bench: None,
    speech_files: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = len(card.seen())
    asked: list[str] = []
    visitor.on("request", lambda request: asked.append(request.url))
    alone = networks.run_inside(outside.ALONE)
    monkeypatch.setenv("ASR_MODELS", "tiny.en,base")
    # Listening everywhere and headless, Streamlit would ask for its public address.
    with served(*SERVED, inside=alone, host="0.0.0.0", port=PORT):
        foreign_page_connects()
        live = LivePage(visitor, ADDRESS)
        live.open("tiny.en")
        loaded_at = time.monotonic()
        live.start()
        wait_until(live.committed, visitor, 60)
        live.stop()
        live.wait_for_end_of_recording()
        upload = UploadPage(visitor, ADDRESS)
        upload.open()
        upload.drop(speech_files / "beckett.wav")
        upload.wait_for_words()
        look_at_the_bench(visitor)
        go_to(visitor, ADDRESS, "Speak and read")
        foreign_page_connects()
        visitor.wait_for_timeout(1000 * max(0.0, loaded_at + TELEMETRY_S - time.monotonic()))
    assert card.seen()[before:] == []
    assert abroad(asked) == []


def abroad(urls: list[str]) -> list[str]:
    """Return those of ``urls`` that are outside the app."""
    return [url for url in urls if not url.startswith((ADDRESS, "data:", "blob:"))]


def signed_in(email: str) -> str:
    """Return the cookie of a signed-in user, as Streamlit writes it."""
    claims = {"origin": ADDRESS, "is_logged_in": True, "email": email, "email_verified": True}
    return create_signed_value(SECRET, USER_COOKIE_NAME, json.dumps(claims)).decode()


def test_pages_for_signed_in_users_send_nothing(
    card: outside.Card,
    visitor: Page,
    base: Path,
    bench: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even to the identity provider, which is needed only while signing in."""
    before = len(card.seen())
    asked: list[str] = []
    visitor.on("request", lambda request: asked.append(request.url))
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(SECRETS)
    monkeypatch.setenv("STREAMLIT_SECRETS_FILES", str(secrets))
    alone = networks.run_inside(outside.ALONE)
    with served(*SERVED, inside=alone, host="0.0.0.0", port=PORT):
        visitor.goto(ADDRESS)
        expect(visitor.get_by_role("button", name="Sign in")).to_be_visible()
        cookie = {"name": USER_COOKIE_NAME, "value": signed_in(OPERATOR), "url": ADDRESS}
        visitor.context.add_cookies([cookie])
        go_to(visitor, f"{ADDRESS}/operator", "Operator")
        expect(visitor.get_by_text("Capacity")).to_be_visible()
        expect(visitor.get_by_text(OPERATOR)).to_be_visible()
        visitor.wait_for_timeout(3_000)  # it is redrawn every two seconds
        look_at_the_bench(visitor)
    assert card.seen()[before:] == []
    assert abroad(asked) == []

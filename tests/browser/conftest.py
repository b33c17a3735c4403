"""The app as ``streamlit run`` serves it, and a real Chromium with a microphone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Playwright,
    expect,
)

from tests.browser.pages import LivePage

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=30_000)  # two cores serve app, model and browser
_SWITCHES = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    *command: str, inside: Sequence[str] = (), host: str = "localhost", port: int = 0
) -> Iterator[tuple[str, psutil.Process]]:
    """Serve the app with ``python command``; yield its address and its process.

    Args:
        inside: prefix of the command that runs it in another network.
    """
    port = port or free_port()
    switches = ["--server.headless=true", f"--server.port={port}", f"--server.address={host}"]
    log = None if os.environ.get("APP_LOG") else subprocess.DEVNULL
    with subprocess.Popen(
        [*inside, sys.executable, *command, *switches], cwd=ROOT, stdout=log, stderr=log
    ) as server:
        address = f"http://{host}:{port}"
        try:
            _wait_for(address, server, inside)
            yield address, psutil.Process(server.pid)
        finally:
            server.kill()


@pytest.fixture(scope="session")
def server(
    base: Path, tiny_en: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, psutil.Process]]:
    """Address and process of the running app."""
    file = tmp_path_factory.mktemp("app") / "threads"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THREADS_FILE", str(file))
        with served("-m", "tests.browser.watched_app") as running:
            yield running


@pytest.fixture
def slow_app(base: Path, tiny_en: Path) -> Iterator[str]:
    """Address of an app whose engine is slower than speech."""
    with served("-m", "tests.browser.slow_app") as (address, _):
        yield address


@pytest.fixture(scope="session")
def app(server: tuple[str, psutil.Process]) -> str:
    """Address of the running app."""
    return server[0]


@pytest.fixture(scope="session")
def threads_of_app(server: tuple[str, psutil.Process]) -> Callable[[], list[str]]:
    """A function that returns the names of the running app's threads."""
    process = server[1]
    file = Path(process.environ()["THREADS_FILE"])

    def names() -> list[str]:
        file.unlink(missing_ok=True)
        process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + 10
        while not file.exists() or not file.read_text().endswith("\n.\n"):
            assert time.monotonic() < deadline, "the app does not answer"
            time.sleep(0.05)
        return file.read_text().splitlines()[:-1]

    return names


def _wait_for(address: str, server: subprocess.Popen[bytes], inside: Sequence[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the app ended at once"
        if _answers(f"{address}/_stcore/health", inside):
            return
        time.sleep(0.1)
    pytest.fail("the app did not start in a minute")


def _answers(url: str, inside: Sequence[str]) -> bool:
    """Whether the app answers; from another network another process has to ask."""
    if inside:
        ask = f"import urllib.request as r; r.urlopen('{url}', timeout=1)"
        asked = [*inside, sys.executable, "-c", ask]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


def chromium(playwright: Playwright) -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for name in names if (path := shutil.which(name))), None)
    own = playwright.chromium.executable_path
    if found is None and Path(own).exists():
        found = own
    if found is None:
        pytest.skip("no Chromium: install it, or run python -m playwright install chromium")
    return found


@pytest.fixture(scope="session")
def silent_browser(playwright: Playwright) -> Iterator[Browser]:
    """One browser for all tests that need no microphone; its contexts share nothing."""
    switches = [*_SWITCHES, "--use-fake-ui-for-media-stream"]
    browser = playwright.chromium.launch(executable_path=chromium(playwright), args=switches)
    yield browser
    browser.close()


@pytest.fixture
def launch(
    playwright: Playwright, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Browser]]:
    """Start a browser whose microphone plays a file, or that refuses it."""
    browsers: list[Browser] = []
    shared: list[Browser] = []

    def start(
        microphone: Path | None, *, allow: bool = True, program: Path | None = None,
        switches: Sequence[str] = (),
    ) -> Browser:  # fmt: skip
        if microphone is None and allow and program is None and not switches:
            shared.append(request.getfixturevalue("silent_browser"))
            return shared[-1]
        switches = [*_SWITCHES, *switches, *(["--use-fake-ui-for-media-stream"] if allow else [])]
        if microphone is not None:
            switches.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
        path = program or chromium(playwright)
        browser = playwright.chromium.launch(executable_path=path, args=switches)
        browsers.append(browser)
        return browser

    yield start
    for browser in browsers:
        browser.close()
    for context in [context for browser in shared[:1] for context in browser.contexts]:
        context.close()


@pytest.fixture
def live(app: str, launch: Callable[..., Browser]) -> Callable[..., LivePage]:
    """Open the live page in a browser of its own."""

    def open_page(microphone: Path | None, model: str = "base", **options: object) -> LivePage:
        context: BrowserContext = launch(microphone, **options).new_context()
        page = LivePage(context.new_page(), app)
        page.open(model)
        return page

    return open_page

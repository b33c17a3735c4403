"""Access and roles with a real identity provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser, Error, Page, expect

from tests.browser.conftest import free_port, served

_ROLES = """
[roles]
testers = ["*@lab.example"]
reviewers = ["chief@lab.example"]
operators = ["root@lab.example"]
"""


@pytest.fixture
def serve(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Serve the app with these secrets; return its address."""

    def start(secrets: str, port: int = 0) -> str:
        file = tmp_path / "secrets.toml"
        file.write_text(secrets)
        monkeypatch.setenv("STREAMLIT_SECRETS_FILES", str(file))
        command = ("-m", "streamlit", "run", "streamlit_app.py")
        return servers.enter_context(served(*command, port=port))[0]

    with ExitStack() as servers:
        yield start


@pytest.fixture
def visitor(launch: Callable[..., Browser]) -> Callable[[], Page]:
    """A page in a browser of its own."""
    return lambda: launch(None).new_context().new_page()


def _pages(page: Page) -> list[str]:
    expect(page.get_by_role("heading", name="Recognition")).to_be_visible(timeout=60_000)
    links = page.get_by_test_id("stSidebarNavLink").all_inner_texts()
    return [link.splitlines()[-1] for link in links]  # after the name of the icon


_PAGES = {
    "somebody@else.example": ["Live", "Upload"],
    "intern@lab.example": ["Live", "Upload", "Test bench"],
    "root@lab.example": ["Live", "Upload", "Test bench", "Operator"],
}


def test_a_signed_in_user_sees_what_their_role_allows(
    serve: Callable[..., str], visitor: Callable[[], Page]
) -> None:
    users = [User(sub=email, claims={"email": email, "email_verified": True}) for email in _PAGES]
    users.append(
        User(sub="unproven", claims={"email": "root@lab.example", "email_verified": False})
    )
    with run_server_in_thread(user_claims=users) as provider:
        port = free_port()
        address = serve(
            f"""
            [auth]
            redirect_uri = "http://localhost:{port}/oauth2callback"
            cookie_secret = "a secret of the test"
            client_id = "app"
            client_secret = "another"
            server_metadata_url = "http://localhost:{provider.server_port}/.well-known/openid-configuration"
            {_ROLES}""",
            port,
        )
        for user, pages in [*_PAGES.items(), ("unproven", ["Live", "Upload"])]:
            page = visitor()
            page.goto(f"{address}/testbench")
            page.get_by_role("button", name="Sign in").click(timeout=60_000)
            page.locator('input[name="sub"]').fill(user, timeout=30_000)
            page.get_by_role("button", name="Authorize").click()
            assert _pages(page) == pages
        expect(page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning"
        )
        leave = page.get_by_role("button", name="Sign out")
        leave.click()
        try:
            page.wait_for_url("**/end_session**", timeout=10_000)  # the provider's own page
        except Error:  # the page was being drawn, and the click met a button just replaced
            leave.click()
            page.wait_for_url("**/end_session**")
        page.goto(address)
        expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)


def test_only_the_secret_link_gives_access(
    serve: Callable[..., str], visitor: Callable[[], Page]
) -> None:
    address = serve('ASR_INVITE = "north-wind"')
    for path in ("", "upload", "testbench", "operator", "?invite=south-wind"):
        page = visitor()
        page.goto(f"{address}/{path}")
        expect(page.get_by_text("for invited people")).to_be_visible(timeout=60_000)
        assert not page.get_by_role("heading", name="Recognition").is_visible()
        assert page.get_by_test_id("stSidebarNavLink").count() == 0
    page = visitor()
    page.goto(f"{address}/?invite=north-wind")
    assert _pages(page) == ["Live", "Upload", "Test bench"]
    page.get_by_role("link", name="Upload").click()
    expect(page.get_by_role("heading", name="Upload and read")).to_be_visible(timeout=30_000)


def test_the_invitation_is_removed_from_the_address_and_lasts_for_the_browser(
    serve: Callable[..., str], visitor: Callable[[], Page]
) -> None:
    address = serve('ASR_INVITE = "north-wind"')
    page = visitor()
    seen: list[tuple[str, str]] = []
    page.on(
        "request", lambda request: seen.append((request.url, request.headers.get("referer", "")))
    )
    page.goto(f"{address}/upload?invite=north-wind&section=x")
    expect(page.get_by_role("heading", name="Upload and read")).to_be_visible(timeout=60_000)
    assert "invite" not in page.url
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_role("heading", name="Speak and read")).to_be_visible(timeout=30_000)
    page.reload()
    assert _pages(page) == ["Live", "Upload", "Test bench"]
    assert not [url for url, referer in seen[1:] if "north-wind" in url or "north-wind" in referer]
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert cookies["speak_and_read"]["httpOnly"] and cookies["speak_and_read"]["sameSite"] == "Lax"


def test_a_foreign_page_cannot_frame_the_app(
    serve: Callable[..., str], visitor: Callable[[], Page]
) -> None:
    address = serve("")
    page = visitor()
    page.set_content(f'<iframe src="{address}/" width="900" height="700"></iframe>')
    page.wait_for_timeout(3000)
    assert page.frames[1].get_by_role("heading").count() == 0

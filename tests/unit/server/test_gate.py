"""The gate alone, with an app behind it that reports its requests."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from asr_core.ops.budget import Budget, Quota, Resource
from asr_core.ops.rate_limit import KeyedBuckets
from asr_core.server import gate as gate_module
from asr_core.server.gate import COOKIE, VISITOR_HEADER, Gate
from asr_core.server.hosts import AllowedHosts
from tests.support.loops import run


@dataclass
class Site:
    """A stand-in for what the gate asks Streamlit."""

    signed_in: str | None = None
    path: str | None = None
    owners: dict[str, str] = field(default_factory=dict)
    no_page: str | None = None
    no_model: str | None = None
    uploaded_by: list[tuple[str, ...]] = field(default_factory=list)

    def user(self, cookies: dict[str, str]) -> str | None:
        return self.signed_in

    def sign_in_path(self) -> str | None:
        return self.path

    def owner_of(self, session_id: str) -> str | None:
        return self.owners.get(session_id)

    def page_fault(self) -> str | None:
        return self.no_page

    def health(self) -> str | None:
        return self.no_page or self.no_model

    async def upload(self, scope: Any, receive: Any, send: Any, file: Any, whose: Any) -> None:
        self.uploaded_by.append((*file, whose[0]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def cookie(self) -> str | None:
        found = [re.match(rf"{COOKIE}=([^;]+)", value) for value in self.all("set-cookie")]
        return next((match[1] for match in found if match), None)


class Behind:
    """A fake app behind the gate that records its requests."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.messages: list[Any] = []
        self.hold: asyncio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {key.decode(): value.decode("latin-1") for key, value in scope["headers"]}
        self.asked.append({"path": scope["path"], **headers})
        if scope["type"] == "http":
            while (message := await receive())["type"] == "http.request":
                if not message.get("more_body"):
                    break
            status = 200 if message["type"] == "http.request" else 413
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"inside"})
            return
        await receive()
        await send({"type": "websocket.accept", "headers": []})
        while True:
            message = await receive()
            self.messages.append(message)
            if message["type"] == "websocket.disconnect":
                return


def make(site: Site | None = None, **options: Any) -> tuple[Gate, Behind, Site]:
    behind, site = Behind(), site or Site()
    budget = options.pop("budget", Budget({}))
    hosts = AllowedHosts(["speech.example.org"])
    return Gate(behind, site=site, budget=budget, hosts=hosts, **options), behind, site


def set_clock(monkeypatch: pytest.MonkeyPatch, clock: Callable[[], float]) -> None:
    """Let the rate limits of gates made from now on run on ``clock``."""
    monkeypatch.setattr(gate_module, "KeyedBuckets", functools.partial(KeyedBuckets, clock=clock))


def scope_of(kind: str, path: str, headers: dict[str, str], method: str = "GET") -> dict[str, Any]:
    path, _, query = path.partition("?")
    listed = {"host": "localhost", **headers}
    return {
        "type": kind, "path": path, "query_string": query.encode(), "method": method,
        "scheme": "http", "client": ("192.0.2.7", 1),
        "headers": [(key.encode(), value.encode("latin-1")) for key, value in listed.items()],
    }  # fmt: skip


def ask(gate: Gate, path: str, *, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    sent: list[Any] = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    run(gate(scope_of("http", path, headers, method), receive, send))
    listed = [(key.decode(), value.decode("latin-1")) for key, value in sent[0]["headers"]]
    return Answer(
        sent[0]["status"], listed, b"".join(m.get("body", b"") for m in sent[1:]).decode()
    )


def connect(gate: Gate, *messages: Any, **headers: str) -> list[Any]:
    """Open a page's WebSocket, send ``messages`` and close it; return what came back."""
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    waiting = [{"type": "websocket.connect"}, *messages, {"type": "websocket.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    run(gate(scope_of("websocket", "/_stcore/stream", headers), receive, send))
    return sent


def invited(gate: Gate) -> str:
    cookie = ask(gate, "/?invite=north-wind").cookie
    assert cookie is not None
    return f"{COOKIE}={cookie}"


def test_a_foreign_name_or_page_reaches_nothing() -> None:
    gate, behind, _ = make()
    assert ask(gate, "/", host="evil.example").status == 421
    assert ask(gate, "/", origin="http://evil.example").status == 403
    for headers in ({"host": "evil.example", "origin": "http://evil.example"},
                    {"origin": "http://evil.example"}, {"origin": "null"}):  # fmt: skip
        assert connect(gate, **headers)[0]["type"] == "websocket.close"
    assert not behind.asked


def test_every_answer_has_the_headers_that_bind_browsers() -> None:
    gate, *_ = make()
    for answer in (ask(gate, "/"), ask(gate, "/static/x.js"), ask(gate, "/", host="evil.example")):
        assert answer.all("x-content-type-options") == ["nosniff"]
        assert answer.all("referrer-policy") == ["no-referrer"]
        assert "frame-ancestors 'self'" in answer.all("content-security-policy")[0]
        assert not answer.all("strict-transport-security")
    secure = ask(gate, "/", x_forwarded_proto="https")
    assert secure.all("strict-transport-security")
    assert "; Secure" in secure.all("set-cookie")[0]


@pytest.mark.parametrize(
    "path", ["/", "/upload", "/_stcore/host-config", "/static/js/x.js", "/media/x.wav",
             "/component/x/index.html", "/files/a/b", "/_stcore/upload_file/s/f"],
)  # fmt: skip
def test_an_uninvited_visitor_reaches_nothing_behind_the_gate(path: str) -> None:
    gate, behind, site = make(invitation="north-wind", is_open=False)
    for method in ("GET", "PUT", "DELETE", "POST", "OPTIONS"):
        assert ask(gate, path, method=method, body=b"x").status == 403
    assert connect(gate)[0]["type"] == "websocket.close"
    assert connect(gate, cookie=f"{COOKIE}=forged")[0]["type"] == "websocket.close"
    assert not behind.asked and not site.uploaded_by


def test_developer_endpoints_are_closed() -> None:
    gate, behind, _ = make()
    for path in ("/_stcore/metrics", "/_stcore/agent/run", "/_stcore/script-health-check"):
        assert ask(gate, path).status == 404
    assert not behind.asked


def test_an_invitation_becomes_a_cookie_and_is_removed_from_the_address() -> None:
    gate, behind, _ = make(invitation="north-wind", is_open=False)
    answer = ask(gate, "/upload?section=Runs&invite=north-wind")
    assert (answer.status, answer.all("location")) == (303, ["/upload?section=Runs"])
    assert "HttpOnly; SameSite=Lax" in answer.all("set-cookie")[0]
    assert ask(gate, "/upload", cookie=f"{COOKIE}={answer.cookie}").body == "inside"
    # The cookie keeps the identity when the link is opened again.
    again = ask(gate, "/?invite=north-wind", cookie=f"{COOKIE}={answer.cookie}")
    assert (again.status, again.cookie) == (303, None)
    assert [asked["path"] for asked in behind.asked] == ["/upload"]


def test_an_invitation_redirects_only_within_the_host() -> None:
    gate, *_ = make(invitation="north-wind", is_open=False)
    for path in ("//evil.example/?invite=north-wind", "/\\evil.example?invite=north-wind"):
        location = ask(gate, path).all("location")[0]
        assert location.startswith("/") and not location.startswith(("//", "/\\"))


def test_wrong_invitations_are_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    gate, *_ = make(invitation="north-wind", is_open=False)
    statuses = [ask(gate, f"/?invite=guess{i}").status for i in range(20)]
    assert statuses.count(303) == 5 and statuses[-1] == 429
    assert ask(gate, "/?invite=north-wind").status == 429  # counted as a guess
    assert "wrong invitation" in caplog.text
    assert "guess" not in caplog.text.replace("guessed", "")


def test_signed_in_users_may_enter_and_others_are_offered_to_sign_in() -> None:
    gate, behind, site = make(Site(path="/auth/login?provider=x"), is_open=False)
    assert 'href="/sign-in"' in ask(gate, "/testbench").body
    assert ask(gate, "/sign-in").all("location") == ["/auth/login?provider=x"]
    for path in ("/auth/login", "/oauth2callback", "/auth/logout"):
        assert ask(gate, path).body == "inside"
    site.signed_in = "anne"
    assert ask(gate, "/testbench").body == "inside"
    assert len(behind.asked) == 4


def test_a_session_is_resumed_only_by_the_browser_that_began_it() -> None:
    gate, behind, site = make()
    owner = ask(gate, "/").cookie or ""
    connect(gate, cookie=f"{COOKIE}={owner}")
    name = behind.asked[-1][VISITOR_HEADER.decode()]
    site.owners["their-session"] = name
    protocols = "streamlit, token, their-session"
    connect(gate, cookie=f"{COOKIE}={owner}", sec_websocket_protocol=protocols)
    assert behind.asked[-1]["sec-websocket-protocol"] == protocols
    stranger = ask(gate, "/").cookie or ""
    for cookie in (f"{COOKIE}={stranger}", ""):
        connect(gate, cookie=cookie, sec_websocket_protocol=protocols)
        assert behind.asked[-1]["sec-websocket-protocol"] == "streamlit, token"
    connect(gate, cookie=f"{COOKIE}={owner}", sec_websocket_protocol="streamlit, token, unknown")
    assert behind.asked[-1]["sec-websocket-protocol"] == "streamlit, token"


def test_another_user_of_a_shared_computer_is_another_visitor() -> None:
    gate, behind, site = make(Site(path="/auth/login"), is_open=False)
    cookie = f"{COOKIE}={ask(gate, '/').cookie}"

    def name_of(user: str) -> str:
        site.signed_in = user
        ask(gate, "/", cookie=cookie)
        return behind.asked[-1][VISITOR_HEADER.decode()]

    anne, ben = name_of("anne"), name_of("ben")
    assert anne != ben and name_of("anne") == anne
    site.owners["annes-session"] = anne
    site.signed_in = "ben"
    connect(gate, cookie=cookie, sec_websocket_protocol="streamlit, token, annes-session")
    assert behind.asked[-1]["sec-websocket-protocol"] == "streamlit, token"


def test_identity_headers_from_outside_are_removed() -> None:
    gate, behind, _ = make()
    ask(gate, "/", **{VISITOR_HEADER.decode(): "somebody"})
    connect(gate, **{VISITOR_HEADER.decode(): "somebody"})
    assert all(asked[VISITOR_HEADER.decode()] != "somebody" for asked in behind.asked)


def test_files_are_accepted_only_for_ones_own_session() -> None:
    gate, behind, site = make()
    cookie = f"{COOKIE}={ask(gate, '/').cookie}"
    site.owners["mine"] = behind.asked[-1][VISITOR_HEADER.decode()]
    site.owners["theirs"] = "somebody else"
    put = {"method": "PUT", "body": b"x" * 200_000, "cookie": cookie}
    assert ask(gate, "/_stcore/upload_file/mine/f", **put).status == 204
    assert ask(gate, "/_stcore/upload_file/theirs/f", **put).status == 403
    assert ask(gate, "/_stcore/upload_file/nobodys/f", **put).status == 403
    assert site.uploaded_by == [("mine", "f", site.owners["mine"])]
    for odd in ("mine/theirs/f", "mine", "mine/", "/mine/f", "mine//f", ""):
        for method in ("PUT", "DELETE"):
            path = f"/_stcore/upload_file/{odd}"
            assert ask(gate, path, method=method, cookie=cookie).status == 404
    assert len(site.uploaded_by) == 1 and behind.asked[-1]["path"] == "/"
    assert ask(gate, "/anywhere", **put).status == 413


def test_messages_no_browser_sends_end_the_connection() -> None:
    gate, behind, _ = make()
    too_long = {"type": "websocket.receive", "bytes": b"x" * 1_000_001}
    assert connect(gate, too_long)[-1] == {"type": "websocket.close", "code": 1009}
    text = {"type": "websocket.receive", "text": "hello"}
    assert connect(gate, text)[-1] == {"type": "websocket.close", "code": 1003}
    assert all(message["type"] == "websocket.disconnect" for message in behind.messages)


def test_a_client_faster_than_a_browser_is_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal slept, now
        slept, now = slept + seconds, now + seconds + 1e-6

    now = 0.0
    monkeypatch.setattr(gate_module.time, "monotonic", lambda: now)
    monkeypatch.setattr(gate_module.asyncio, "sleep", sleep)
    set_clock(monkeypatch, lambda: now)
    gate, behind, _ = make()
    message = {"type": "websocket.receive", "bytes": b"x"}
    connect(gate, *[message] * 210)
    assert len(behind.messages) == 211
    assert slept == pytest.approx(150 / 15, rel=0.01)  # 60 at once, then 15 a second

    slept = 0.0  # with a new browser for each connection the address is limited
    now += 100
    for _ in range(50):
        connect(gate, *[message] * 60)
    assert slept == 0  # a client at that rate does not wait
    for _ in range(50):
        connect(gate, *[message] * 100)
    assert slept > 5


def test_one_address_cannot_open_pages_faster_than_people_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_clock(monkeypatch, lambda: 0.0)
    gate, *_ = make()
    answers = [connect(gate)[0]["type"] for _ in range(1010)]
    assert answers == ["websocket.accept"] * 1000 + ["websocket.close"] * 10


def test_requests_are_limited_to_a_browsers_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, lambda: 0.0)
    gate, behind, _ = make()
    statuses = [ask(gate, "/static/x.js").status for _ in range(2010)]
    assert statuses == [200] * 2000 + [429] * 10
    assert len(behind.asked) == 2000


def test_cookies_that_take_long_to_read_are_not_read() -> None:
    gate, behind, _ = make()
    for cookie in ('a="' + '\\"' * 20_000 + '"', "a=" + "x" * 20_000):
        assert ask(gate, "/", cookie=cookie).status == 200
        assert "cookie" not in behind.asked[-1]


def test_a_planted_second_cookie_is_ignored() -> None:
    gate, behind, _ = make()
    ours, theirs = ask(gate, "/").cookie, ask(gate, "/").cookie
    ask(gate, "/", cookie=f"{COOKIE}={ours}")
    name = behind.asked[-1][VISITOR_HEADER.decode()]
    answer = ask(gate, "/", cookie=f"{COOKIE}={ours}; {COOKIE}={theirs}")
    assert behind.asked[-1][VISITOR_HEADER.decode()] != name and answer.cookie
    secure = ask(gate, "/", x_forwarded_proto="https", cookie=f"{COOKIE}={ours}")
    assert secure.all("set-cookie")[0].startswith(f"__Host-{COOKIE}=")
    assert behind.asked[-1][VISITOR_HEADER.decode()] != name


def test_a_signed_in_user_who_opens_the_link_keeps_their_work() -> None:
    gate, behind, site = make(Site(path="/auth/login"), invitation="north-wind", is_open=False)
    site.signed_in = "anne"
    cookie = ask(gate, "/").cookie
    ask(gate, "/", cookie=f"{COOKIE}={cookie}")
    name = behind.asked[-1][VISITOR_HEADER.decode()]
    invited = ask(gate, "/?invite=north-wind", cookie=f"{COOKIE}={cookie}").cookie
    ask(gate, "/", cookie=f"{COOKIE}={invited}")
    assert behind.asked[-1][VISITOR_HEADER.decode()] == name


def test_connections_are_taken_from_the_budget_and_returned() -> None:
    allowed = Quota(total=1, each=1, sentence="No room: {what} too many pages.")
    budget = Budget({Resource.CONNECTIONS: allowed})
    gate, behind, _ = make(budget=budget)
    for _ in range(3):
        connect(gate)
    assert len(behind.asked) == 3
    with budget.reserve(Resource.CONNECTIONS, 1, "somebody"):
        [refused] = connect(gate)
    assert (refused["type"], refused["reason"]) == (
        "websocket.close", "No room: this server has too many pages.",
    )  # fmt: skip
    assert budget.usage()[2].used == 0


def test_health_reports_what_is_wrong() -> None:
    gate, _, site = make(is_open=False, invitation="north-wind")
    assert (ask(gate, "/health").status, ask(gate, "/health").body) == (200, "ok")
    site.no_model = "The model hangs."
    assert (ask(gate, "/health").status, ask(gate, "/health").body) == (503, "The model hangs.")
    assert ask(gate, "/_stcore/health").body == "inside"  # pages are still served
    site.no_page = "No page can be opened: no descriptors are left."
    for path in ("/health", "/_stcore/health"):
        answer = ask(gate, path)
        assert (answer.status, answer.body) == (503, site.no_page)


def test_the_app_may_be_served_below_a_path() -> None:
    gate, behind, _ = make(base="/speech", invitation="north-wind", is_open=False)
    answer = ask(gate, "/speech/?invite=north-wind")
    assert answer.all("location") == ["/speech/"] and "Path=/speech;" in answer.all("set-cookie")[0]
    cookie = f"{COOKIE}={answer.cookie}"
    assert ask(gate, "/speech/upload", cookie=cookie).body == "inside"
    assert ask(gate, "/speech/_stcore/health").body == "inside"
    assert len(behind.asked) == 2

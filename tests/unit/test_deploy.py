"""The deployment keeps strangers out: the relay, the image, the unit, the packages."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import pytest
import yaml
from aioice import stun, turn
from packaging.requirements import Requirement

from scripts import lock
from tests.support.loops import run

_DEPLOY = Path(__file__).parents[2] / "deploy"
_SECRET = "north-by-northwest"


def _setting(name: str) -> list[str]:
    lines = (_DEPLOY / "turnserver.conf").read_text().splitlines()
    return [line.split("=", 1)[1] for line in lines if line.startswith(f"{name}=")]


def _name(visitor: str = "visitor") -> str:
    return f"{int(time.time()) + 3600}:{visitor}"


def _password(name: str) -> str:
    return base64.b64encode(hmac.digest(_SECRET.encode(), name.encode(), "sha1")).decode()


class _Peer(asyncio.DatagramProtocol):
    """One end of a call: the data received, or the refusal; it may answer."""

    def __init__(self, answer: bytes | None = None) -> None:
        self._answer = answer
        self.came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if self._answer is not None:
            self._transport.sendto(self._answer, address)
        if not self.came.done():
            self.came.set_result(data)

    def error_received(self, error: Exception) -> None:
        self.came.set_exception(error)


class Relay:
    """A running coturn with the configuration that is deployed.

    The app's address is 127.0.0.1 here; coturn itself listens and relays at 127.0.0.2.
    """

    app = "127.0.0.1"
    own = "127.0.0.2"

    def __init__(self, process: subprocess.Popen[str], port: int, configuration: Path) -> None:
        self.process, self.configuration = process, configuration
        self.address = (self.own, port)

    async def allocate(
        self, name: str = "", password: str = "", transport: str = "udp"
    ) -> tuple[turn.TurnTransport, _Peer]:
        name = name or _name()
        return await turn.create_turn_endpoint(
            _Peer,
            server_addr=self.address,
            username=name,
            password=password or _password(name),
            transport=transport,
        )


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    if shutil.which("turnserver") is None:
        pytest.skip("needs Debian's coturn")
    tmp_path = tmp_path_factory.mktemp("relay")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((Relay.own, 0))
        port = probe.getsockname()[1]
    template, configuration = tmp_path / "template.conf", tmp_path / "turnserver.conf"
    text = (_DEPLOY / "turnserver.conf").read_text()
    for deployed, here in (
        (r"listening-port=\d+", f"listening-port={port}"),
        (r"((?:listening|relay)-ip)=.*", rf"\1={Relay.own}"),
        # Without network namespaces the app can only be on loopback.
        (r"allowed-peer-ip=.*", f"allowed-peer-ip={Relay.app}\nallow-loopback-peers"),
    ):
        text, n = re.subn(deployed, here, text)
        assert n
    template.write_text(text)
    environment = {**os.environ, "TURN_SECRET": _SECRET, "DOMAIN": "speech.example.org"}
    with subprocess.Popen(
        [_DEPLOY / "turnserver.sh", template, configuration],
        env=environment, cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            running = Relay(process, port, configuration)
            run(_until_it_answers(running))
            yield running
        finally:
            process.terminate()


async def _until_it_answers(relay: Relay) -> None:
    for _ in range(100):
        assert relay.process.poll() is None, "coturn ended at once"
        with suppress(OSError, TimeoutError, stun.TransactionError):
            await asyncio.wait_for(relay.allocate(_name("probe")), 2)
            return
        await asyncio.sleep(0.1)
    raise AssertionError("coturn does not answer")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_relay_carries_audio_to_the_app_and_back(relay: Relay, transport: str) -> None:
    async def call() -> bytes:
        loop = asyncio.get_running_loop()
        app, _ = await loop.create_datagram_endpoint(
            lambda: _Peer(answer=b"words"), local_addr=(Relay.app, 0)
        )
        way, browser = await relay.allocate(transport=transport)
        way.sendto(b"sound", app.get_extra_info("sockname"))
        return await asyncio.wait_for(browser.came, 10)

    assert run(call()) == b"words"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.2", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1",
        "169.254.169.254", "172.29.31.1", "192.168.1.1", "198.18.0.1", "203.0.113.9",
        "8.8.8.8", "224.0.0.251", "255.255.255.255", "::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "fd00:ec2::254", "fe80::1", "ff02::1", "2002:7f00:1::1",
        "2001::7f00:1", "64:ff9b::7f00:1", "2606:4700:4700::1111",
    ],
)  # fmt: skip
def test_the_relay_refuses_every_address_but_the_apps(relay: Relay, address: str) -> None:
    async def code() -> int | None:
        way, stranger = await relay.allocate(_name("curious-" + address.replace(":", "-")))
        way.sendto(b"hello from outside", (address, 6399))
        with pytest.raises(stun.TransactionFailed) as refusal:
            await asyncio.wait_for(stranger.came, 10)
        return refusal.value.response.error_code

    # Forbidden; or, for the other address family, no such relay.
    assert run(code()) == (443 if ":" in address else 403)


def test_one_visitor_gets_no_more_allocations_than_a_browser_needs(relay: Relay) -> None:
    most = int(_setting("user-quota")[0])

    async def take_all() -> int | None:
        for i in range(most):
            # The expiry is not part of the identity.
            await relay.allocate(f"{int(time.time()) + 3600 + i}:greedy")
        with pytest.raises(stun.TransactionFailed) as refusal:
            await relay.allocate(_name("greedy"))
        await relay.allocate(_name("somebody-else"))
        return refusal.value.response.error_code

    assert run(take_all()) == 486  # allocation quota reached


def test_a_stranger_without_the_secret_gets_no_allocation(relay: Relay) -> None:
    with pytest.raises(stun.TransactionFailed):
        run(relay.allocate(password="guessed"))


def test_the_relays_secret_is_private(relay: Relay) -> None:
    process = Path("/proc") / str(relay.process.pid)
    assert relay.configuration.stat().st_mode & 0o077 == 0
    assert _SECRET in relay.configuration.read_text()
    for name in ("cmdline", "environ"):
        assert _SECRET.encode() not in (process / name).read_bytes()


@pytest.mark.parametrize("missing", ["TURN_SECRET", "DOMAIN"])
def test_the_relay_does_not_start_without_a_secret(tmp_path: Path, missing: str) -> None:
    environment = {**os.environ, "TURN_SECRET": _SECRET, "DOMAIN": "example.org", missing: ""}
    done = subprocess.run(
        [_DEPLOY / "turnserver.sh", _DEPLOY / "turnserver.conf", tmp_path / "out"],
        env=environment, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert done.returncode
    assert f"{missing}: is not set" in done.stderr


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((_DEPLOY / "compose.yaml").read_text()))


def test_every_service_has_no_more_rights_than_it_needs(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert set(service.get("cap_add", [])) <= {"NET_BIND_SERVICE"}, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "pids_limit", "ulimits", "logging"} <= set(service), name
        assert not {"network_mode", "privileged", "devices", "pid", "ipc"} & set(service), name
        assert "docker.sock" not in str(service), name


def test_only_the_proxy_and_the_relay_are_reached_from_outside(compose: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert ports == {
        "app": [],
        "caddy": ["80:80", "443:443"],
        "turn": ["3478:3478/udp", "3478:3478/tcp"],
    }


def test_the_addresses_agree(compose: dict[str, Any]) -> None:
    services = compose["services"]
    addresses = {
        name: service["networks"]["inside"]["ipv4_address"] for name, service in services.items()
    }
    subnet = ip_network(compose["networks"]["inside"]["ipam"]["config"][0]["subnet"])
    assert all(ip_address(address) in subnet for address in addresses.values())
    assert _setting("allowed-peer-ip") == [addresses["app"]]
    assert _setting("listening-ip") == _setting("relay-ip") == [addresses["turn"]]
    app = services["app"]
    assert app["environment"]["FORWARDED_ALLOW_IPS"] == addresses["caddy"]
    assert app["extra_hosts"] == [f"${{DOMAIN}}:{addresses['turn']}"]


def test_nothing_starts_without_a_host_name_and_a_secret(compose: dict[str, Any]) -> None:
    settings = compose["services"]["app"]["environment"]
    assert settings["ASR_ALLOWED_HOSTS"].startswith("${DOMAIN:?")
    assert settings["TURN_SECRET"].startswith("${TURN_SECRET:?")
    assert not re.search(r"SECRET", " ".join(map(str, compose["services"]["turn"]["command"])))


def test_images_are_pinned_by_digest(compose: dict[str, Any]) -> None:
    images = [service["image"] for service in compose["services"].values() if "image" in service]
    images += re.findall(r"^FROM (\S+)", (_DEPLOY / "Dockerfile").read_text(), re.M)
    assert len(images) == 3
    for image in images:
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image


def test_the_image_runs_unprivileged_from_packages_with_hashes() -> None:
    text = (_DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", text, re.M) == ["10001:10001"]
    installs = re.findall(r"^RUN pip install (.*)", text, re.M)
    assert installs
    assert all({"--require-hashes", "--only-binary=:all:"} <= set(it.split()) for it in installs)


def _is_sent(path: str) -> bool:
    """Return whether .dockerignore lets ``path`` into the build.

    The last pattern that fits it, or a folder above it, decides.
    """
    sent = True
    parts = path.split("/")
    above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for line in (_DEPLOY.parent / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = re.escape(line.lstrip("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(pattern, name) for name in above):
            sent = line.startswith("!")
    return sent


@pytest.mark.parametrize(
    "path",
    [
        ".streamlit/secrets.toml", ".env", "deploy/.env", ".git/config", ".venv/bin/python",
        "models/base/model.bin", "key.pem", "asr_core/key.pem", "pages/.env", "widgets/.secret/a",
        "asr_core/.streamlit/secrets.toml", "widgets/secrets.toml", "tests/conftest.py", "a.wav",
        "asr_core/__pycache__/cli.cpython-312.pyc", "deploy/turnserver.conf",
    ],
)  # fmt: skip
def test_the_build_context_has_no_secret_and_no_ballast(path: str) -> None:
    assert not _is_sent(path)


def test_the_build_context_has_the_whole_app() -> None:
    root = _DEPLOY.parent
    folders = ("asr_core", "pages", "widgets")
    files = [
        str(path.relative_to(root))
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    files += ["streamlit_app.py", ".streamlit/config.toml", "LICENSE"]
    copied = re.search(r"^COPY (\S+) \.$", (_DEPLOY / "Dockerfile").read_text(), re.M)
    assert copied
    assert [file for file in [*files, copied[1]] if not _is_sent(file)] == []


def _versions(file: Path) -> dict[str, str]:
    lines = (line.split("#")[0].split(";")[0].strip(" \\\t\n") for line in file.open())
    pins = (line.partition("==") for line in lines if "==" in line)
    return {
        re.sub(r"[-_.]+", "-", name.split("[")[0]).lower(): version for name, _, version in pins
    }


def test_the_lock_file_has_every_requirement_with_hashes() -> None:
    lock = _DEPLOY / "requirements.lock"
    required = _versions(_DEPLOY.parent / "requirements.txt")
    locked = _versions(lock)
    assert len(required) > 20
    assert {name: locked.get(name) for name in required} == required
    text = lock.read_text()
    for entry in re.split(r"\n(?=\S)", text):
        assert entry.startswith("#") or re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in text
    assert "--index" not in text


def test_the_pins_match_pyproject() -> None:
    assert lock.find_outdated() == []


def test_the_pins_are_the_same_in_every_file() -> None:
    root = _DEPLOY.parent
    plain, torch, dev = (
        _versions(root / f"requirements{name}.txt") for name in ("", "-torch", "-dev")
    )
    assert plain.items() <= torch.items()
    shared = torch.keys() & dev.keys()
    assert {name: torch[name] for name in shared} == {name: dev[name] for name in shared}
    assert all(name.startswith(("nvidia", "cuda", "triton")) for name in torch.keys() - dev.keys())


@pytest.mark.parametrize(
    "file", ["requirements.txt", "requirements-torch.txt", "requirements-dev.txt"]
)
def test_the_pins_name_no_index(file: str) -> None:
    text = (_DEPLOY.parent / file).read_text()
    assert "://" not in text
    assert "--" not in text


def test_a_server_without_a_gpu_installs_no_cuda() -> None:
    """Community Cloud installs requirements.txt on x86 Linux."""
    community_cloud = {"sys_platform": "linux", "platform_machine": "x86_64"}
    lines = (_DEPLOY.parent / "requirements.txt").read_text().splitlines()
    needed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    there = {it.name for it in needed if not it.marker or it.marker.evaluate(community_cloud)}
    assert "streamlit" in there
    assert not {"torch", "transformers"} & there
    assert not [name for name in there if name.startswith(("nvidia", "cuda", "triton"))]


def test_the_systemd_unit_is_hardened() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs Debian's systemd")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=29",
         _DEPLOY / "speak-and-read.service"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.splitlines()[-1]  # below 3.0


class _Hello(BaseHTTPRequestHandler):
    """Echoes the headers of a request."""

    def do_GET(self) -> None:
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


def test_the_proxy_forwards_the_visitors_address(tmp_path: Path) -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("needs Debian's caddy")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hello) as app:
        threading.Thread(target=app.serve_forever, daemon=True).start()
        environment = {
            **os.environ, "DOMAIN": address, "APP": f"127.0.0.1:{app.server_port}",
            "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path),
        }  # fmt: skip
        command = [caddy, "run", "--adapter", "caddyfile", "--config", _DEPLOY / "Caddyfile"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as proxy:
            try:
                lied = Request(address, headers={"X-Forwarded-For": "203.0.113.9"})
                answer = _until_answered(lied, proxy)
            finally:
                proxy.terminate()
                app.shutdown()
    assert answer["X-Forwarded-For"] == "127.0.0.1"


def _until_answered(request: Request, process: subprocess.Popen[bytes]) -> dict[str, str]:
    for _ in range(200):
        assert process.poll() is None, "the proxy ended at once"
        with suppress(OSError), urlopen(request, timeout=5) as answer:
            return dict(json.load(answer))
        time.sleep(0.05)
    raise AssertionError("the proxy does not answer")


class _Health(BaseHTTPRequestHandler):
    """The app's answers to health checks."""

    fault: ClassVar = ""

    def do_GET(self) -> None:
        assert self.path == "/health"
        self.send_response(503 if self.fault else 200)
        self.end_headers()
        self.wfile.write((self.fault or "ok").encode())

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("fault", ["", "The model hangs."])
def test_the_images_health_check_reports_what_is_wrong(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Health, "fault", fault)
    with HTTPServer(("127.0.0.1", 0), _Health) as app:
        threading.Thread(target=app.handle_request, daemon=True).start()
        done = _checked(f"http://127.0.0.1:{app.server_port}")
    assert (done.returncode, done.stderr.strip()) == (1 if fault else 0, fault)


def test_the_images_health_check_reports_that_nobody_answers() -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        done = _checked(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert done.stderr.startswith("The app does not answer")
    assert done.stderr.count("\n") == 1


def _checked(address: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, _DEPLOY / "healthcheck.py", address],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

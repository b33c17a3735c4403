from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from asr_core.budget import Budget, Resource
from asr_core.stored_files import StoredFiles
from tests.loops import run
from widgets import site
from widgets.streamlit_parts import UploadedFiles

BODY = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="../talk.wav"\r\n'
    b"Content-Type: audio/wav\r\n\r\nsound\r\n--x--\r\n"
)


def request_with(body: bytes) -> Request:
    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": str(len(body))}
    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "PUT", "path": "/", "headers": listed}, receive)


@pytest.mark.parametrize(("owner", "status"), [("me", 204), ("nobody", 403)])
def test_an_upload_holds_its_room_for_as_long_as_it_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, owner: str, status: int
) -> None:
    budget = Budget({})
    stored = StoredFiles(budget, tmp_path)
    monkeypatch.setattr(site, "stored_files", lambda: stored)
    pages = SimpleNamespace(owner_of=lambda session_id: owner)
    monkeypatch.setattr(site, "workspaces", lambda: pages)
    files = UploadedFiles("/upload")

    def used() -> float:
        gc.collect()
        return budget.used(Resource.UPLOADS, "me")

    sent = site._take_in(request_with(BODY), files, ("session", "file"), ("me", "address"))
    assert run(sent).status_code == status
    kept = files.stored("session", "file")
    assert (kept is not None) is (status == 204)
    if kept is not None:
        assert (kept.name, kept.path.read_bytes()) == ("talk.wav", b"sound")
        assert used() == site._LEAST_BYTES
        files.remove_file("session", "file")
        del kept
    assert used() == 0

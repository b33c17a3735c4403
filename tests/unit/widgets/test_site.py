from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from asr_core.full_context.stored_files import StoredFiles
from asr_core.ops.budget import Budget, Resource
from tests.support.loops import run
from widgets import site
from widgets.workarounds.streamlit_storage import UploadedFiles

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
def test_an_upload_reserves_space_as_long_as_it_is_kept(
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

    sent = site._receive_upload(request_with(BODY), files, ("session", "file"), ("me", "address"))
    assert run(sent).status_code == status
    kept = files.stored("session", "file")
    assert (kept is not None) is (status == 204)
    if kept is not None:
        assert (kept.name, kept.path.read_bytes()) == ("talk.wav", b"sound")
        assert used() == site._MIN_FILE_BYTES
        files.remove_file("session", "file")
        del kept
    assert used() == 0


def test_the_server_does_not_start_with_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_KEEP_MINUTES", "soon")
    with pytest.raises(SystemExit, match="ASR_KEEP_MINUTES is 'soon'; set it to a number above 0"):
        site.app_options()

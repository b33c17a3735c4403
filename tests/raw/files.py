"""Uploads and downloads, as a browser makes them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.raw.client import Client, NoPage
from tests.raw.http import Response, multipart

__all__ = ["download", "put", "upload"]


async def upload(client: Client, label: str, name: str, data: bytes) -> Response:
    """Add a file to the uploader with this label.

    Returns:
        The server's answer to the upload; the page is rerun if it succeeded.
    """
    uploader = client.page.one("file_uploader", label)
    message = BackMsg()
    asked = message.file_urls_request
    asked.request_id, asked.session_id = uuid.uuid4().hex, client.page.session_id
    asked.file_names.append(name)
    await client.send(message)
    urls = (await client.answered(asked.request_id)).file_urls[0]
    answer = await put(client, urls.upload_url, name, data)
    if answer.status >= 300:
        return answer
    state = client.states.setdefault(uploader.id, WidgetState(id=uploader.id))
    if not uploader.proto.multiple_files:
        state.file_uploader_state_value.CopyFrom(FileUploaderState())
    info = state.file_uploader_state_value.uploaded_file_info.add()
    info.file_id, info.name, info.size = urls.file_id, name, len(data)
    info.file_urls.CopyFrom(urls)
    await client.run()
    return answer


async def put(
    client: Client, url: str, name: str, data: bytes, pieces: AsyncIterator[bytes] | None = None
) -> Response:
    """Send a file to an upload address; ``pieces`` in place of the whole form, if given."""
    content_type, body = multipart(data, name)
    headers = {"Content-Type": content_type, "X-Xsrftoken": client.xsrf, "Origin": client.address}
    return await client.fetch(
        url, method="PUT", headers=headers, body=body if pieces is None else pieces, timeout_s=120
    )


async def download(client: Client, label: str) -> bytes:
    """Download the file of the button with this label.

    Raises:
        NoPage: the server does not give it.
    """
    button = client.page.one("download_button", label).proto
    url = button.url
    if button.deferred_file_id:
        message = BackMsg()
        asked = message.backend_operation_request
        asked.request_id, asked.session_id = uuid.uuid4().hex, client.page.session_id
        asked.deferred_file.file_id = button.deferred_file_id
        await client.send(message)
        url = (await client.answered(asked.request_id)).deferred_file.url
    answer = await client.fetch(url)
    if answer.status != 200:
        raise NoPage(f"{label} answers {answer.status}")
    return answer.body

"""A user's work survives lost connections, and is private."""

from __future__ import annotations

import asyncio
import json
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from tests.raw.client import Client
from tests.raw.cuts import UPLOADER, Where, transcribed
from tests.raw.files import download, put, upload
from tests.raw.http import multipart
from tests.raw.proxy import proxy_to
from tests.raw.serving import serving
from tests.raw.speaker import Speaker, Speech, packets_of

Run = Callable[..., Any]
LAST = "Fail better"  # of beckett.wav
CORRECTED = "Nagg and Nell."
ASLEEP_S = 4.0
PING_S = 5  # period of the server's pings, and its timeout for the answer


@pytest.fixture(scope="module")
def long_recording(speech_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute and a half of speech, so that a job runs when the connection is cut."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    with (
        wave.open(str(speech_files / "two_cities.wav")) as source,
        wave.open(str(path), "wb") as out,
    ):
        out.setparams(source.getparams())
        out.writeframes(source.readframes(source.getnframes()) * 2)
    return path


async def _correct(client: Client, text: str) -> None:
    """Replace the first line of the transcript on the upload page."""
    editor = next(
        e for e in client.page.find("bidi_component")
        if "transcript_editor" in e.proto.component_name
    )  # fmt: skip
    client.set(editor, json_value=json.dumps({"texts": {"0": text}}))
    await client.rerun(fragment=editor.fragment)
    await client.until(lambda: text in client.page.words())


async def _cut_and_back(client: Client) -> None:
    """Break the connection and reconnect two seconds later, as a tab does."""
    await client.cut()
    await asyncio.sleep(2)
    await client.reconnect()


async def _reload(client: Client, path: str) -> Client:
    """Close the tab and open the page again with the same cookies."""
    await client.close()
    return await Client(client.address, cookies=client.cookies).open(path)


async def _finished(client: Client) -> None:
    """Wait until the job on the page is done; it must be shown at once."""
    page = client.page
    await client.until(lambda: page.has("progress") or page.has("download_button", "SRT"), 10)
    await client.until(
        lambda: page.has("download_button", "SRT") and not list(page.component("transcript_view")),
        120,
    )


def test_an_upload_continues_when_the_connection_is_cut(
    where: Where, run: Run, long_recording: Path
) -> None:
    async def scene() -> str:
        async with where.visitor("/upload") as client:
            await upload(client, UPLOADER, "long.wav", long_recording.read_bytes())
            await client.until(lambda: client.page.has("progress"), 30)
            await _cut_and_back(client)
            await _finished(client)
            return client.page.words()

    words: str = run(scene())
    assert words.lower().count("best of times") == 2


def test_a_transcript_and_its_corrections_survive_a_cut(where: Where, run: Run) -> None:
    async def scene() -> tuple[str, str]:
        async with where.visitor("/upload") as client:
            await transcribed(client, where.recording)
            await _correct(client, CORRECTED)
            await _cut_and_back(client)
            at_once = client.page.words()
            await client.toggle("Several languages per file")  # any next click
            return at_once, client.page.words()

    for words in run(scene()):
        assert CORRECTED in words
        assert LAST in words


def test_a_transcript_and_its_corrections_survive_a_reload(where: Where, run: Run) -> None:
    async def scene() -> tuple[str, bytes]:
        client = await where.opened("/upload")
        await transcribed(client, where.recording)
        await _correct(client, CORRECTED)
        client = await _reload(client, "/upload")
        words, saved = client.page.words(), await download(client, "SRT")
        await client.close()
        return words, saved

    words, saved = run(scene())
    assert CORRECTED in words
    assert LAST in words
    assert CORRECTED.encode() in saved


async def _corrected(client: Client, recording: Path) -> None:
    """Transcribe a recording and correct it."""
    await transcribed(client, recording)
    await _correct(client, CORRECTED)


def test_a_laptop_that_slept_finds_its_work(where: Where, run: Run) -> None:
    async def scene() -> str:
        async with proxy_to(where.address) as proxy:
            through = Where(proxy.address, where.query, where.recording)
            async with through.visitor("/upload") as client:
                await _corrected(client, where.recording)
                proxy.stall()
                await asyncio.sleep(ASLEEP_S)
                assert proxy.cut() >= 1
                proxy.flow()
                await client.until(lambda: client.closed)
                await client.reconnect()
                return client.page.words()

    words = run(scene())
    assert CORRECTED in words
    assert LAST in words


def test_a_laptop_that_wakes_in_another_network_finds_its_work(where: Where, run: Run) -> None:
    """The server still believes that its first connection is open."""

    async def scene() -> tuple[str, str]:
        async with proxy_to(where.address) as proxy:
            through = Where(proxy.address, where.query, where.recording)
            async with through.visitor("/upload") as client:
                await _corrected(client, where.recording)
                proxy.stall()
                await asyncio.sleep(ASLEEP_S)
                await client.cut()
                client.address = where.address
                await client.reconnect()
                at_once = client.page.words()
                assert proxy.cut() >= 1  # the end of the first does not end the second
                await client.run()
                return at_once, client.page.words()

    for words in run(scene()):
        assert CORRECTED in words
        assert LAST in words


def test_a_page_reloaded_after_a_sleep_finds_its_work(
    base: Path, tiny_en: Path, speech_files: Path, tmp_path: Path, run: Run
) -> None:
    """Once the server notices that nobody is at the other end of the first connection."""

    async def scene(address: str) -> str:
        recording = speech_files / "beckett.wav"
        async with (
            proxy_to(address) as proxy,
            Where(proxy.address).visitor("/upload") as asleep,
        ):
            await _corrected(asleep, recording)
            proxy.stall()
            await asleep.cut()
            client = await Client(address, cookies=asleep.cookies).open("/upload")
            assert client.page.session_id != asleep.page.session_id
            deadline = time.monotonic() + 8 * PING_S
            while not client.page.words() and time.monotonic() < deadline:
                await asyncio.sleep(1)
                await client.run()
            words = client.page.words()
            await client.close()
            return words

    environment = {"STREAMLIT_SERVER_WEBSOCKET_PING_INTERVAL": str(PING_S)}
    with serving(tmp_path, environment) as server:
        words = run(scene(server.address))
    assert CORRECTED in words
    assert LAST in words


def test_a_running_upload_survives_a_reload(where: Where, run: Run, long_recording: Path) -> None:
    async def scene() -> str:
        client = await where.opened("/upload")
        await upload(client, UPLOADER, "long.wav", long_recording.read_bytes())
        await client.until(lambda: client.page.has("progress"), 30)
        client = await _reload(client, "/upload")
        await _finished(client)
        words = client.page.words()
        await client.close()
        return words

    assert run(scene()).lower().count("best of times") == 2


def test_a_recording_continues_while_the_page_is_cut_off(where: Where, run: Run) -> None:
    async def scene() -> str:
        async with proxy_to(where.address) as proxy:
            through = Where(proxy.address, where.query, where.recording)
            async with through.speaker() as speaker:
                await speaker.listening()
                await asyncio.sleep(4)
                proxy.cut()  # the audio does not go through the proxy
                await asyncio.sleep(3)
                await speaker.client.reconnect()
                await speaker.client.until(lambda: LAST in speaker.client.page.words(), 20)
                return await speaker.stop()

    words = run(scene())
    assert words.lower().startswith("ever tried")  # spoken before the cut
    assert LAST in words


def test_recordings_survive_a_reload(where: Where, run: Run) -> None:
    async def scene() -> tuple[str, str]:
        client = await where.opened()
        speaker = Speaker(client)
        await speaker.start(Speech(packets_of(where.recording)))
        await speaker.listening()
        await asyncio.sleep(4)
        words_before = await speaker.stop()
        client = await _reload(client, "/")
        await client.until(lambda: client.page.has("download_button", "SRT"), 10)
        words = client.page.words()
        await client.close()
        return words_before, words

    words_before, words = run(scene())
    assert words_before
    assert words == words_before


async def _made(where: Where) -> Client:
    """Return a visitor with a transcript."""
    client = await where.opened("/upload")
    assert LAST in await transcribed(client, where.recording)
    return client


def test_a_known_session_id_gives_no_access(where: Where, run: Run) -> None:
    async def scene() -> None:
        owner = await _made(where)
        thief = Client(where.address)
        await thief.open("/upload", session_id=owner.page.session_id)
        assert thief.page.session_id != owner.page.session_id
        assert not thief.page.words()
        await owner.run()
        assert LAST in owner.page.words()  # and the owner was not disconnected
        await thief.close()
        await owner.close()

    run(scene())


def test_a_known_session_id_allows_no_upload(where: Where, run: Run) -> None:
    async def scene() -> list[int]:
        async with where.visitor("/upload") as owner, where.visitor("/upload") as other:
            url = f"/_stcore/upload_file/{owner.page.session_id}/0123456789abcdef"
            sent = await put(other, url, "x.wav", b"RIFF")
            kind, body = multipart(b"RIFF", "x.wav")
            made_up = {"_streamlit_xsrf": "x"}  # not a visitor at all, with an invented token
            bare = await Client(where.address, cookies=made_up).fetch(
                url, method="PUT", body=body, headers={"Content-Type": kind, "X-Xsrftoken": "x"}
            )
            return [sent.status, bare.status]

    assert all(400 <= status < 500 for status in run(scene()))


def test_a_stranger_who_clears_the_cache_changes_nothing(where: Where, run: Run) -> None:
    async def scene() -> str:
        owner = await _made(where)
        async with where.visitor() as stranger:
            message = BackMsg()
            message.clear_cache = True
            await stranger.send(message)
            await asyncio.sleep(1)
        await owner.run()
        words = owner.page.words()
        await owner.close()
        return words

    assert LAST in run(scene())

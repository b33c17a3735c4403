"""Messages that no browser sends over the page's WebSocket."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.raw.client import Client
from tests.raw.cuts import PATHS
from tests.raw.hostile import NUMBERS, Attack, Case, damaged, odd_json

__all__ = ["CASES"]

_READ_S = 0.3


def odd_state(attack: Attack, name: str) -> WidgetState:
    """Return a state of any type for a widget of any type."""
    rng, text = attack.rng, attack.text
    file_id = text()
    file = {"file_id": file_id, "name": text(), "size": 2**40,
            "file_urls": {"file_id": rng.choice((file_id, "0")), "upload_url": text()}}  # fmt: skip
    fields: dict[str, Any] = rng.choice((
        {"trigger_value": True},
        {"bool_value": rng.random() < 0.5},
        {"double_value": rng.choice((0.0, -1.0, 1e308, float("nan"), float("inf")))},
        {"int_value": rng.choice(NUMBERS)},
        {"string_value": text()},
        {"double_array_value": {"data": [1e300, float("nan")] * rng.randrange(4)}},
        {"int_array_value": {"data": rng.choices(NUMBERS, k=rng.randrange(200))}},
        {"string_array_value": {"data": [text() for _ in range(rng.randrange(9))]}},
        {"json_value": json.dumps(odd_json(rng)) if rng.random() < 0.7 else text()},
        {"bytes_value": rng.randbytes(rng.choice((0, 10, 10_000)))},
        {"file_uploader_state_value": {"uploaded_file_info": [file]}},
        {"json_trigger_value": json.dumps(odd_json(rng))},
        {"string_trigger_value": {"data": text()}},
        {"chat_input_value": {"data": text()}},
        {"arrow_value": {"data": rng.randbytes(200)}},
    ))  # fmt: skip
    return WidgetState(id=name, **fields)


def odd_rerun(attack: Attack, client: Client) -> BackMsg:
    """Return a request to run the script with any odd field."""
    rng, message = attack.rng, BackMsg()
    asked = message.rerun_script
    hashes = [*client.page.pages.values(), client.page.script_hash]
    asked.page_script_hash = rng.choice([*hashes, "0" * 32, attack.text()])
    asked.page_name = rng.choice(("", "upload", "testbench", "operator", attack.text()))
    asked.query_string = rng.choice(("", "section=Runs", "section=%ff", attack.text()))
    if rng.random() < 0.3:
        asked.fragment_id = rng.choice([*client.page.fragments, "0" * 32, attack.text()])
    asked.is_auto_rerun = rng.random() < 0.2
    names = [element.id for element in client.page.find() if element.id]
    for _ in range(rng.choice((0, 1, 3, 20))):
        name = rng.choice(names) if names and rng.random() < 0.8 else attack.text()
        asked.widget_states.widgets.append(odd_state(attack, name))
    if rng.random() < 0.3:
        asked.context_info.timezone = asked.context_info.locale = attack.text()
        asked.context_info.url = rng.choice(("http://x", "", attack.text()))
        asked.context_info.timezone_offset = rng.choice((0, 10**9, -(10**9)))
    if rng.random() < 0.1:
        asked.cached_message_hashes.extend(attack.text() for _ in range(1000))
    return message


def other_message(attack: Attack, client: Client) -> BackMsg:
    """Return a message that is not a request to run the script."""
    rng, message = attack.rng, BackMsg()
    flags = ("clear_cache", "set_run_on_save", "stop_script", "load_git_info", "app_heartbeat",
             "debug_disconnect_websocket", "debug_shutdown_runtime")  # fmt: skip
    kind = rng.randrange(10)
    session_id = rng.choice((client.page.session_id, "", attack.text()))
    if kind < 7:
        setattr(message, flags[kind], True)
    elif kind == 7:
        asked = message.file_urls_request
        asked.request_id, asked.session_id = attack.text(), session_id
        asked.file_names.extend(attack.text() for _ in range(rng.choice((0, 1, 300))))
    else:
        wish = message.backend_operation_request
        wish.request_id, wish.session_id = attack.text(), session_id
        which = rng.randrange(4)
        if which == 0:
            wish.deferred_file.file_id = attack.text()
        elif which == 1:
            wish.install_skills.SetInParent()
        elif which == 2:
            wish.dismiss_skills_nudge.SetInParent()
        else:
            wish.dataframe_chunk.source_id, wish.dataframe_chunk.limit = attack.text(), 2**31
    return message


async def _send_odd(
    attack: Attack, make: Callable[[Client], BackMsg | bytes | str], times: int
) -> None:
    """Open a page, send odd messages, and check that the page still runs."""
    rng = attack.rng
    async with attack.visitor(rng.choice(PATHS)) as client:
        for _ in range(times):
            if client.closed:
                await client.connect(client.page.session_id)
            await client.send(make(client))
            await asyncio.sleep(rng.uniform(0, _READ_S))
        await asyncio.sleep(_READ_S)


async def odd_reruns(attack: Attack) -> None:
    await _send_odd(attack, lambda client: odd_rerun(attack, client), 10)


async def other_messages(attack: Attack) -> None:
    await _send_odd(attack, lambda client: other_message(attack, client), 10)


async def damaged_messages(attack: Attack) -> None:
    await _send_odd(
        attack, lambda client: damaged(odd_rerun(attack, client).SerializeToString(), attack.rng), 8
    )


async def garbage(attack: Attack) -> None:
    def make(_: Client) -> bytes | str:
        rng = attack.rng
        if rng.random() < 0.3:
            return rng.choice(("", "hello", "x" * 10_000))
        return rng.randbytes(rng.choice((0, 1, 20, 5000)))

    await _send_odd(attack, make, 4)


async def huge_message(attack: Attack) -> None:
    size = attack.rng.choice((1 << 20, 8 << 20, 40 << 20))

    def make(client: Client) -> BackMsg:
        message = odd_rerun(attack, client)
        message.rerun_script.widget_states.widgets.add(id="x", bytes_value=bytes(size))
        return message

    await _send_odd(attack, make, 2)


async def many_reruns(attack: Attack) -> None:
    """Send thousands of requests without waiting for an answer."""
    async with attack.visitor(attack.rng.choice(PATHS)) as client:
        for _ in range(3000):
            if client.closed:
                break
            await client.rerun(fragment=attack.rng.choice(["", "", *client.page.fragments]))
        await asyncio.sleep(_READ_S)


async def many_sockets(attack: Attack) -> None:
    """Open silent connections of one visitor."""
    client = Client(attack.where.address, watch=attack.watch)
    await client.fetch("/")
    others = [Client(attack.where.address, cookies=client.cookies) for _ in range(50)]
    try:
        await asyncio.gather(*(c.connect(redraws=False) for c in others), return_exceptions=True)
        await asyncio.sleep(1)
    finally:
        for other in others:
            await (other.cut() if attack.rng.random() < 0.5 else other.close())


async def odd_handshakes(attack: Attack) -> None:
    """Connect with origins, sub-protocols and session ids that no browser sends."""
    rng: random.Random = attack.rng
    client = Client(attack.where.address, watch=attack.watch)
    await client.fetch("/")
    how = rng.choice((
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": None},
        {"subprotocols": None}, {"subprotocols": ["streamlit"] * 50},
        {"subprotocols": ["streamlit", "x", "0" * 36]}, {"max_size": 10, "origin": "http://[::1"},
        {"additional_headers": {"Cookie": "_streamlit_xsrf=2|x|x|x; a=" + "b" * 9000}},
    ))  # fmt: skip
    await client.connect(redraws=False, **how)
    await client.rerun()
    await asyncio.sleep(_READ_S)
    await client.close()


CASES: dict[str, Case] = {
    "odd reruns": odd_reruns,
    "other messages": other_messages,
    "damaged messages": damaged_messages,
    "garbage": garbage,
    "huge message": huge_message,
    "many reruns": many_reruns,
    "many sockets": many_sockets,
    "odd handshakes": odd_handshakes,
}

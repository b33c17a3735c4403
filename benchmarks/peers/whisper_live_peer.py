"""WhisperLive's server with faster-whisper, and a client for it."""

import json
import threading
import time
import uuid

from player import Display, Samples, model_directory, play
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from whisper_live.server import TranscriptionServer

PORT = 9463

threading.Thread(
    target=TranscriptionServer().run,
    args=("127.0.0.1",),
    kwargs={
        "port": PORT,
        "backend": "faster_whisper",
        "faster_whisper_custom_model_path": model_directory(),
        "single_model": True,
    },
    daemon=True,
).start()


def connected() -> ClientConnection:
    for _ in range(300):
        try:
            return connect(f"ws://127.0.0.1:{PORT}", max_size=None)
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server does not start")


def listen(samples: Samples, display: Display) -> None:
    server = connected()
    options = {"uid": str(uuid.uuid4()), "language": "en", "task": "transcribe", "use_vad": True}
    server.send(json.dumps({**options, "model": model_directory(), "send_last_n_segments": 100}))
    while json.loads(server.recv()).get("message") != "SERVER_READY":
        pass
    texts: dict[str, str] = {}

    def read() -> None:
        try:
            for message in server:
                segments = json.loads(message).get("segments", [])
                for segment in segments:
                    if segment.get("completed"):
                        texts[segment["start"]] = segment["text"]
                open_ones = [s["text"] for s in segments if not s.get("completed")]
                display.show(" ".join(texts.values()), " ".join(open_ones))
        except ConnectionClosed:
            pass

    threading.Thread(target=read, daemon=True).start()
    display.speak(samples, lambda chunk: server.send(chunk.tobytes()))
    display.wait_until_quiet()
    server.close()


play(listen)

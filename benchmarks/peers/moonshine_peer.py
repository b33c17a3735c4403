"""Moonshine with the tiny English model that its package contains."""

from moonshine_voice import ModelArch, Transcriber, TranscriptEventListener, get_model_path
from player import Display, Samples, play

transcriber = Transcriber(get_model_path("tiny-en"), ModelArch.TINY)


class DisplayListener(TranscriptEventListener):
    def __init__(self, display: Display) -> None:
        self._page = display
        self._lines: dict[int, tuple[str, bool]] = {}

    def _draw(self, event: object) -> None:
        line = event.line  # type: ignore[attr-defined]
        self._lines[line.line_id] = (line.text, line.is_complete)
        done = [text for text, is_complete in self._lines.values() if is_complete]
        open_ones = [text for text, is_complete in self._lines.values() if not is_complete]
        self._page.show(" ".join(done), " ".join(open_ones))

    on_line_started = on_line_updated = on_line_text_changed = on_line_completed = _draw


def listen(samples: Samples, display: Display) -> None:
    stream = transcriber.create_stream()
    stream.add_listener(DisplayListener(display))
    stream.start()
    display.speak(samples, lambda chunk: stream.add_audio(chunk.tolist()))
    stream.stop()
    stream.close()


play(listen)

"""Moonshine with its own tiny English model, the one that its package carries."""

from moonshine_voice import ModelArch, Transcriber, TranscriptEventListener, get_model_path
from player import Page, Samples, play

transcriber = Transcriber(get_model_path("tiny-en"), ModelArch.TINY)


class Screen(TranscriptEventListener):
    def __init__(self, page: Page) -> None:
        self._page = page
        self._lines: dict[int, tuple[str, bool]] = {}

    def _draw(self, event: object) -> None:
        line = event.line  # type: ignore[attr-defined]
        self._lines[line.line_id] = (line.text, line.is_complete)
        done = [text for text, is_complete in self._lines.values() if is_complete]
        open_ones = [text for text, is_complete in self._lines.values() if not is_complete]
        self._page.show(" ".join(done), " ".join(open_ones))

    on_line_started = on_line_updated = on_line_text_changed = on_line_completed = _draw


def listen(samples: Samples, page: Page) -> None:
    stream = transcriber.create_stream()
    stream.add_listener(Screen(page))
    stream.start()
    page.speak(samples, lambda chunk: stream.add_audio(chunk.tolist()))
    stream.stop()
    stream.close()


play(listen)

"""Command ``stream``: a file replayed through a live session."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from asr_core.cli.console import print_line, say
from asr_core.cli.options import ParsedText, recognition_options, terms_option
from asr_core.cli.recognition import ModelChoice

if TYPE_CHECKING:
    from asr_core.engines.base import EngineName
    from asr_core.streaming import Snapshot
    from asr_core.transcript import Transcript

__all__ = ["EventPrinter", "stream"]


def _parse_speed(text: str) -> float:
    """Return a replay speed; infinity for ``max``."""
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < math.inf:
        raise ValueError(f"{text!r} is not a speed; give a number above 0, or max")
    return speed


@click.command(short_help="Replay a file through a live session.")
@click.argument("file", type=click.Path(path_type=Path))
@recognition_options
@click.option(
    "--speed",
    type=ParsedText("speed", _parse_speed),
    default=1.0,
    show_default=True,
    metavar="X|max",
    help="1.0 is real time; max simulates the clock and runs as fast as the model.",
)
@terms_option
@click.option(
    "--refine",
    is_flag=True,
    help="Transcribe all of it once more at the end, as the page does after STOP.",
)
def stream(
    file: Path,
    model: str,
    engine: EngineName | Literal["auto"],
    language: str | None,
    speed: float,
    terms: tuple[str, ...],
    refine: bool,
) -> int:
    """Replay FILE, an audio or video file, through the live session that the page uses.

    Prints JSON lines: kind (partial, final when a line is finished, end), audio_time,
    wall_time, committed (final text so far), tentative, words (newly committed ones), lag.
    Times are in seconds. With --refine a last line follows, of kind refined, with the text and
    the words of the refined transcript.
    """
    from asr_core import streaming
    from asr_core.audio.decode import AudioFile
    from asr_core.streaming import LiveOptions, LiveSession
    from asr_core.streaming.replay import replay

    choice = ModelChoice(model, engine, language).checked()
    audio = AudioFile(file)
    loaded, choice = choice.load()
    session = LiveSession(LiveOptions(language=choice.language, refine=refine, terms=terms))
    events = EventPrinter()
    for snapshot in replay(audio, session, loaded, None if math.isinf(speed) else speed):
        events.print_change(snapshot)
    events.print_end(session.snapshot)
    if refine and session.snapshot.audio_s:
        events.print_refined(streaming.refine(session, loaded))
    for note in audio.notes:
        say(note)
    if not session.snapshot.committed_words:
        say(f"No speech was heard in {audio.name}.")
    return 0


class EventPrinter:
    """Printer of JSON lines, one for each change of a live session."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._n_words = 0
        self._n_segments = 0
        self._printed: tuple[object, ...] = ()

    def print_change(self, snapshot: Snapshot) -> None:
        """Print a partial or, if a line is finished, a final; nothing if nothing changed."""
        state = (snapshot.segments, snapshot.committed, snapshot.tentative)
        if state == self._printed:
            return
        self._printed = state
        is_finished = len(snapshot.segments) > self._n_segments
        self._n_segments = len(snapshot.segments)
        self._print("final" if is_finished else "partial", snapshot)
        if snapshot.error:
            say(snapshot.error)

    def print_end(self, snapshot: Snapshot) -> None:
        """Print the last line."""
        self._print("end", snapshot)

    def print_refined(self, transcript: Transcript) -> None:
        """Print the refined transcript."""
        from asr_core.output.formats import word_to_dict

        event = {
            "kind": "refined",
            "audio_time": round(transcript.duration, 3),
            "wall_time": round(time.monotonic() - self._started_s, 3),
            "committed": transcript.text,
            "words": [word_to_dict(word) for word in transcript.words],
        }
        print_line(json.dumps(event, ensure_ascii=False))

    def _print(self, kind: str, snapshot: Snapshot) -> None:
        from asr_core.output.formats import word_to_dict
        from asr_core.transcript import join_words

        words = snapshot.committed_words
        event = {
            "kind": kind,
            "audio_time": round(snapshot.audio_s, 3),
            "wall_time": round(time.monotonic() - self._started_s, 3),
            "committed": snapshot.transcript().text,
            "tentative": join_words(snapshot.tentative),
            "words": [word_to_dict(word) for word in words[self._n_words :]],
            "lag": round(snapshot.lag_s, 3),
        }
        self._n_words = len(words)
        print_line(json.dumps(event, ensure_ascii=False))

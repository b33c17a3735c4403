"""Audio that a page plays with a transcript: the file, or a copy of its sound."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from tempfile import TemporaryFile

from asr_core.audio.decode import AudioFile
from asr_core.audio.playback import is_browser_playable, write_flac_copy
from asr_core.errors import AudioError, Cancelled, LimitError
from asr_core.full_context.stored_files import StoredFile, stored_files
from asr_core.full_context.transcribe import FileOptions

__all__ = ["make_playback_copy"]


def make_playback_copy(
    file: StoredFile,
    options: FileOptions,
    is_cancelled: Callable[[], bool],
    owner: Hashable = None,
    group: Hashable = None,
) -> StoredFile | None:
    """Return a copy for browsers if they cannot play the file by its own clock, else None.

    Also None if there is no room, the file cannot be read, or the job was cancelled.

    Args:
        file: as uploaded.
        options: of its job.
        is_cancelled: called several times a second.
        owner: the user whose share of the budget the copy uses.
        group: the network address whose share it uses.
    """

    def check_cancelled() -> None:
        if is_cancelled():
            raise Cancelled(f"{file.name} was cancelled.")

    end_s = options.time_range.at_most(options.max_s).end_s
    with file.open() as source, TemporaryFile(dir=file.path.parent) as copy:
        try:
            audio = AudioFile(
                source, file.name, track=options.track, check_cancelled=check_cancelled
            )
            track = audio.track
            if is_browser_playable(audio):
                return None
            source.seek(0)
            audio = AudioFile(source, file.name, track=track, check_cancelled=check_cancelled)
            write_flac_copy(audio, copy, end_s)
            n_bytes = copy.tell()
            copy.seek(0)
            files = stored_files()
            return files.keep(file.name, copy, files.reserve(n_bytes, owner, group))
        except (AudioError, Cancelled, LimitError, OSError):
            return None

"""What a page plays beside a transcript: the file, or a copy of its sound."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from tempfile import TemporaryFile

from asr_core.audio.decode import AudioFile
from asr_core.audio.playback import is_played_by_browsers, write_copy
from asr_core.errors import AudioError, Cancelled, LimitError
from asr_core.fullcontext.transcribe import FileOptions
from asr_core.stored_files import StoredFile, stored_files

__all__ = ["copy_to_play"]


def copy_to_play(
    file: StoredFile,
    options: FileOptions,
    is_cancelled: Callable[[], bool],
    owner: Hashable = None,
    group: Hashable = None,
) -> StoredFile | None:
    """Return a copy for browsers that cannot play the file by its own clock, else None.

    There is none either where there is no room, the file cannot be read, or nobody waits for it
    any more.

    Args:
        owner, group: of whose part of the budget the copy takes.
    """

    def stop_if_cancelled() -> None:
        if is_cancelled():
            raise Cancelled(f"{file.name} was cancelled.")

    end_s = options.stretch.at_most(options.most_s).end_s
    with file.open() as source, TemporaryFile(dir=file.path.parent) as copy:
        try:
            audio = AudioFile(source, file.name, track=options.track, between=stop_if_cancelled)
            track = audio.track
            if is_played_by_browsers(audio):
                return None
            source.seek(0)
            audio = AudioFile(source, file.name, track=track, between=stop_if_cancelled)
            write_copy(audio, copy, end_s)
            n_bytes = copy.tell()
            copy.seek(0)
            files = stored_files()
            return files.keep(file.name, copy, files.reserve(n_bytes, owner, group))
        except (AudioError, Cancelled, LimitError, OSError):
            return None

"""Sentences for users about a file that cannot be read, or only in part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asr_core.audio.tracks import AudioTrack
from asr_core.errors import AudioError
from asr_core.text.plain_text import shorten

__all__ = [
    "damaged_note",
    "display_name",
    "full_name",
    "no_such_track_error",
    "sample_rate_error",
    "too_long_error",
    "track_choice_note",
    "unreadable_error",
]

_MAX_NAME_CHARS = 200


def full_name(source: object, name: str | None) -> str:
    """Return the name given, the name of a path, or "the file"."""
    return name or (Path(source).name if isinstance(source, str | Path) else "the file")


def display_name(source: object, name: str | None) -> str:
    """Return the file's name for messages, shortened and printable."""
    return shorten(full_name(source, name), _MAX_NAME_CHARS)


def too_long_error(name: str, max_duration_s: float) -> AudioError:
    """Return the error for audio longer than ``max_duration_s``."""
    return AudioError(
        f"{name} is longer than {max_duration_s:.0f} s, which is the most that is taken here; "
        "cut it into parts."
    )


def unreadable_error(name: str) -> AudioError:
    """Return the error for a file without a single readable sample."""
    return AudioError(
        f"{name} holds no sound that can be read: it is empty, damaged or no audio file; "
        "try converting it to WAV or MP3."
    )


def sample_rate_error(name: str, rate_hz: int) -> AudioError:
    """Return the error for a sample rate that no recording has."""
    return AudioError(
        f"{name} says that it has {rate_hz} samples a second, which no recording has; its "
        "header is damaged. Convert the original again."
    )


def no_such_track_error(name: str, n_tracks: int) -> AudioError:
    """Return the error for a track number that the file does not have."""
    if n_tracks == 1:
        return AudioError(f"{name} has one sound track only; choose track 1.")
    return AudioError(f"{name} has {n_tracks} sound tracks; choose one from 1 to {n_tracks}.")


def track_choice_note(name: str, tracks: Sequence[AudioTrack], number: int) -> str:
    """Return the note that says which of several tracks was chosen, counted from 1."""
    return (
        f"{name} has {len(tracks)} sound tracks: {tracks[number - 1].name} was transcribed; "
        "another one can be chosen (--audio-track)."
    )


def damaged_note(name: str) -> str:
    """Return the note for a file of which some audio is lost."""
    return f"{name} is damaged: what could be read of it was transcribed, the rest is lost."

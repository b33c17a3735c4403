"""Prometheus counters of the process: counts and seconds, never transcripts."""

from __future__ import annotations

from prometheus_client import Counter

__all__ = ["count_error", "count_file", "count_recording", "error_counts", "file_rtfx"]

_errors = Counter("asr_errors", "Failures by component and exception type", ["where", "kind"])
_file_audio = Counter("asr_file_audio_seconds", "Audio of transcribed files")
_file_work = Counter("asr_file_work_seconds", "Time spent on transcribing files")
_recorded = Counter("asr_take_audio_seconds", "Audio of finished recordings")
_gaps = Counter("asr_take_gap_seconds", "Part of that audio lost in networks, replaced by silence")
_refused = Counter(
    "asr_take_refused_seconds", "Further audio dropped as it came faster than real time"
)


def count_error(where: str, error: BaseException) -> None:
    """Count a failure of a component. Any thread may call."""
    _errors.labels(where, type(error).__name__).inc()


def count_file(audio_s: float, work_s: float) -> None:
    """Count a transcribed file. Any thread may call."""
    _file_audio.inc(audio_s)
    _file_work.inc(work_s)


def count_recording(audio_s: float, gaps_s: float, refused_s: float) -> None:
    """Count a finished recording. Any thread may call.

    Args:
        audio_s: its length.
        gaps_s: part of that lost in the network and filled with silence.
        refused_s: further audio dropped because it came faster than real time.
    """
    _recorded.inc(audio_s)
    _gaps.inc(gaps_s)
    _refused.inc(refused_s)


def error_counts() -> tuple[tuple[str, str, int], ...]:
    """Return component, exception type and count of all failures since the start."""
    return tuple(
        (sample.labels["where"], sample.labels["kind"], int(sample.value))
        for family in _errors.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )


def file_rtfx() -> float | None:
    """Return the inverse real-time factor of files (audio / work); None before the first."""
    work_s = _total(_file_work)
    return _total(_file_audio) / work_s if work_s else None


def _total(counter: Counter) -> float:
    samples = (sample for family in counter.collect() for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))

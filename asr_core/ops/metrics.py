"""Counters of the process, for Prometheus: counts and seconds, never what was said."""

from __future__ import annotations

from prometheus_client import Counter

__all__ = ["count_error", "count_file", "count_take", "errors_by_place", "times_real_time"]

_errors = Counter("asr_errors", "Failures, by where and by type", ["where", "kind"])
_audio = Counter("asr_file_audio_seconds", "Seconds of files that were transcribed")
_work = Counter("asr_file_work_seconds", "Seconds that this took")
_spoken = Counter("asr_take_audio_seconds", "Seconds of takes that have ended")
_gaps = Counter("asr_take_gap_seconds", "Of these, seconds that networks lost and silence fills")
_refused = Counter("asr_take_refused_seconds", "Seconds beside them, faster than time passes")


def count_error(where: str, error: BaseException) -> None:
    """Any thread may call."""
    _errors.labels(where, type(error).__name__).inc()


def count_file(audio_s: float, work_s: float) -> None:
    """Any thread may call; the quotient of the two sums is the real-time factor."""
    _audio.inc(audio_s)
    _work.inc(work_s)


def count_take(audio_s: float, gaps_s: float, refused_s: float) -> None:
    """Any thread may call; what a sender made up shows in the second and the third."""
    _spoken.inc(audio_s)
    _gaps.inc(gaps_s)
    _refused.inc(refused_s)


def errors_by_place() -> tuple[tuple[str, str, int], ...]:
    """Return the place, the exception's type and the count of every failure since the start."""
    return tuple(
        (sample.labels["where"], sample.labels["kind"], int(sample.value))
        for family in _errors.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    )


def times_real_time() -> float | None:
    """Return seconds of file audio for each second of work; None before the first file."""
    work_s = _total(_work)
    return _total(_audio) / work_s if work_s else None


def _total(counter: Counter) -> float:
    samples = (sample for family in counter.collect() for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))

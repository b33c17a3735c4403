"""Audio in: files, WebRTC frames, the live buffer and voice activity.

Inside, all audio is mono float32 at 16 kHz, full scale ±1.
"""

SAMPLE_RATE_HZ = 16_000
"""Whisper and Silero both take 16 kHz."""

__all__ = ["SAMPLE_RATE_HZ"]

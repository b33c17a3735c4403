"""Audio input: files, WebRTC frames, the live buffer and voice activity detection.

All audio inside is mono float32 at 16 kHz, full scale ±1.
"""

SAMPLE_RATE_HZ = 16_000
"""The sample rate of Whisper's and Silero's input."""

__all__ = ["SAMPLE_RATE_HZ"]

"""Recognise speech while it arrives: final words, then those that may still change.

python examples/stream_blocks.py talk.wav
"""

import sys
import wave
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import asr_core


def blocks(file: wave.Wave_read) -> Iterator[NDArray[np.int16]]:
    """Yield a tenth of a second at a time; a microphone would do the same."""
    while data := file.readframes(file.getframerate() // 10):
        yield np.frombuffer(data, np.int16)


model = asr_core.load_model(*sys.argv[2:])
with wave.open(sys.argv[1]) as file:  # mono, 16 bits
    # realtime=False since a file arrives faster than anybody speaks.
    stream = model.stream(sample_rate_hz=file.getframerate(), realtime=False)
    for block in blocks(file):
        for event in stream.feed(block):
            print(f"{event.audio_s:6.1f} s  {event.final_text} … {event.partial_text}")
    stream.close()
print(stream.result.to("txt"))

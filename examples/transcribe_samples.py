"""Transcribe samples in memory, and show how sure the model is of each word.

python examples/transcribe_samples.py talk.wav
"""

import sys
import wave

import numpy as np

import asr_core

with wave.open(sys.argv[1]) as file:  # mono, 16 bits
    samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    sample_rate_hz = file.getframerate()

model = asr_core.load_model(*sys.argv[2:])
transcript = model.transcribe(samples, sample_rate_hz=sample_rate_hz)
for word in transcript.words:
    print(f"{word.start:7.2f} {word.probability:5.2f} {word.text}")

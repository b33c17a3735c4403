"""Naive streaming: everything so far is transcribed again every half second."""

import threading

import numpy as np
from faster_whisper import WhisperModel
from player import RATE_HZ, Display, Samples, model_directory, play

STEP_S = 0.5

model = WhisperModel(model_directory(), device="cpu", compute_type="int8", cpu_threads=2)


def transcribe(samples: Samples) -> str:
    segments, _ = model.transcribe(samples, language="en", beam_size=1)
    return "".join(segment.text for segment in segments)


def listen(samples: Samples, display: Display) -> None:
    received: list[Samples] = []
    speaker = threading.Thread(target=display.speak, args=(samples, received.append))
    speaker.start()
    n_done = 0
    while speaker.is_alive():
        whole = np.concatenate(received) if received else np.zeros(0, np.float32)
        if len(whole) - n_done < STEP_S * RATE_HZ:
            speaker.join(0.02)
            continue
        n_done = len(whole)
        display.show("", transcribe(whole))
    display.show(transcribe(samples), "")


play(listen)

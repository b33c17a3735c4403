"""Playback for the peers' scripts: clips are spoken in real time, and what is shown is recorded.

It runs in each peer's environment and needs only numpy.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE_HZ = 16_000
CHUNK_S = 0.1
QUIET_S = 6.0


class Display:
    """Text a reader would see, with the seconds since the first sample was spoken."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.updates: list[tuple[float, str, str]] = []

    def show(self, final: str, tentative: str) -> None:
        """Record the text if it has changed; any thread may call."""
        if not self.updates or self.updates[-1][1:] != (final, tentative):
            self.updates.append((time.monotonic() - self._started, final, tentative))

    def speak(self, samples: Samples, send: Callable[[Samples], None]) -> None:
        """Deliver ``samples`` as a microphone would; the clock starts here."""
        self._started = time.monotonic()
        size = int(CHUNK_S * RATE_HZ)
        for at in range(0, len(samples), size):
            spoken_s = min(at + size, len(samples)) / RATE_HZ
            time.sleep(max(0.0, spoken_s - (time.monotonic() - self._started)))
            send(samples[at : at + size])

    def wait_until_quiet(self) -> None:
        """Wait until the last change is so long ago that no more are expected."""
        changed_at, n_updates = time.monotonic(), len(self.updates)
        while time.monotonic() - changed_at < QUIET_S:
            if len(self.updates) != n_updates:
                changed_at, n_updates = time.monotonic(), len(self.updates)
            time.sleep(0.1)


def as_int16(samples: Samples) -> bytes:
    """Return (n_samples,) as 16-bit PCM."""
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()


def play(listen: Callable[[Samples, Display], None]) -> None:
    """Pass each clip of the folder in ``sys.argv`` to ``listen``; write what was shown."""
    folder = Path(sys.argv[1])
    names = json.loads((folder / "clips.json").read_text())
    print("ready", flush=True)
    sys.stdin.readline()
    shown = {}
    for name in names:
        display = Display()
        listen(np.load(folder / f"{name}.npy"), display)
        shown[name] = display.updates
    Path(sys.argv[3]).write_text(json.dumps(shown))
    print("done", flush=True)
    sys.stdin.readline()


def model_directory() -> str:
    """Return the directory of the weights that all peers share, in CTranslate2's format."""
    return sys.argv[2]

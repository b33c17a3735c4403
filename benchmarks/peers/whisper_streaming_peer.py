"""whisper-streaming: LocalAgreement-2, a new pass for each second of audio.

It trims by time, since trimming by sentences is unfinished in this release.
"""

import threading
import time

import numpy as np
from player import RATE_HZ, Display, Samples, model_directory, play
from whisper_streaming import (
    ASRProcessor,
    AudioReceiver,
    Backend,
    OutputSender,
    TimeTrimming,
    Word,
)
from whisper_streaming.backend import (
    FasterWhisperFeatureExtractorConfig,
    FasterWhisperModelConfig,
    FasterWhisperTranscribeConfig,
)

MIN_CHUNK_S = 1.0
AUDIO_TIMEOUT_S = 2.0  # without audio, after which the rest becomes final


class ClipReceiver(AudioReceiver):
    def __init__(self, samples: Samples, display: Display) -> None:
        super().__init__()
        self._received: list[Samples] = []
        self._n_delivered = 0
        self._speaker = threading.Thread(
            target=display.speak, args=(samples, self._received.append)
        )
        self._speaker.start()

    def _do_receive(self) -> Samples | None:
        while True:
            is_over = not self._speaker.is_alive()
            whole = np.concatenate(self._received) if self._received else np.zeros(0, np.float32)
            new = whole[self._n_delivered :]
            if len(new) >= MIN_CHUNK_S * RATE_HZ or (is_over and len(new)):
                self._n_delivered = len(whole)
                return new
            if is_over:
                return None
            time.sleep(0.02)

    def _do_close(self) -> None:
        pass


class DisplaySender(OutputSender):
    def __init__(self, display: Display) -> None:
        super().__init__()
        self._page, self._text = display, ""

    def _do_output(self, data: Word) -> None:
        self._text += data.word
        self._page.show(self._text, "")

    def _do_close(self) -> None:
        pass


def listen(samples: Samples, display: Display) -> None:
    sender = DisplaySender(display)
    processor = ASRProcessor(
        ASRProcessor.ProcessorConfig(
            sampling_rate=RATE_HZ,
            prompt_size=200,
            audio_receiver_timeout=AUDIO_TIMEOUT_S,
            audio_trimming=TimeTrimming(15),
            language="en",
        ),
        ClipReceiver(samples, display),
        sender,
        Backend.FASTER_WHISPER,
        FasterWhisperModelConfig(
            model_directory(), device="cpu", compute_type="int8", cpu_threads=2
        ),
        FasterWhisperTranscribeConfig(),
        FasterWhisperFeatureExtractorConfig(),
    )
    processor.run()
    sender.join(5)


play(listen)

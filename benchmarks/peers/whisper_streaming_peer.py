"""whisper-streaming: LocalAgreement-2, a new pass for each second of audio.

Trimming by time, because its trimming by sentences is not finished in this release.
"""

import threading
import time

import numpy as np
from player import RATE_HZ, Page, Samples, model_directory, play
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

CHUNK_S = 1.0
PATIENCE_S = 2.0  # without audio, after which what is left counts as final


class Microphone(AudioReceiver):
    def __init__(self, samples: Samples, page: Page) -> None:
        super().__init__()
        self._heard: list[Samples] = []
        self._n_given = 0
        self._speaker = threading.Thread(target=page.speak, args=(samples, self._heard.append))
        self._speaker.start()

    def _do_receive(self) -> Samples | None:
        while True:
            is_over = not self._speaker.is_alive()
            whole = np.concatenate(self._heard) if self._heard else np.zeros(0, np.float32)
            new = whole[self._n_given :]
            if len(new) >= CHUNK_S * RATE_HZ or (is_over and len(new)):
                self._n_given = len(whole)
                return new
            if is_over:
                return None
            time.sleep(0.02)

    def _do_close(self) -> None:
        pass


class Screen(OutputSender):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page, self._text = page, ""

    def _do_output(self, data: Word) -> None:
        self._text += data.word
        self._page.show(self._text, "")

    def _do_close(self) -> None:
        pass


def listen(samples: Samples, page: Page) -> None:
    screen = Screen(page)
    processor = ASRProcessor(
        ASRProcessor.ProcessorConfig(
            sampling_rate=RATE_HZ,
            prompt_size=200,
            audio_receiver_timeout=PATIENCE_S,
            audio_trimming=TimeTrimming(15),
            language="en",
        ),
        Microphone(samples, page),
        screen,
        Backend.FASTER_WHISPER,
        FasterWhisperModelConfig(
            model_directory(), device="cpu", compute_type="int8", cpu_threads=2
        ),
        FasterWhisperTranscribeConfig(),
        FasterWhisperFeatureExtractorConfig(),
    )
    processor.run()
    screen.join(5)


play(listen)

"""RealtimeSTT with one model for both its partial and its final results."""

import threading

import numpy as np
from player import Page, Samples, as_int16, model_directory, play
from RealtimeSTT import AudioToTextRecorder

TAIL_S = 1.5  # of silence after the clip: it needs a pause to end a sentence


def main() -> None:
    shown: dict[str, Page] = {}
    finals: list[str] = []

    def show(tentative: str) -> None:
        if "page" in shown:
            shown["page"].show(" ".join(finals), tentative)

    recorder = AudioToTextRecorder(
        model=model_directory(),
        realtime_model_type=model_directory(),
        use_main_model_for_realtime=True,
        language="en",
        device="cpu",
        compute_type="int8",
        use_microphone=False,
        spinner=False,
        enable_realtime_transcription=True,
        on_realtime_transcription_update=show,
        no_log_file=True,
    )

    def write() -> None:
        while True:
            text = recorder.text()
            if text:
                finals.append(text)
                show("")

    threading.Thread(target=write, daemon=True).start()

    def listen(samples: Samples, page: Page) -> None:
        finals.clear()
        shown["page"] = page
        tail = np.zeros(int(TAIL_S * 16_000), np.float32)
        whole = np.concatenate([samples, tail])
        page.speak(whole, lambda chunk: recorder.feed_audio(as_int16(chunk)))
        page.wait_until_quiet()

    play(listen)


if __name__ == "__main__":
    main()

"""RealtimeSTT with one model for both its partial and its final results."""

import threading

import numpy as np
from player import Display, Samples, as_int16, model_directory, play
from RealtimeSTT import AudioToTextRecorder

TAIL_S = 1.5  # silence after the clip, since a sentence ends with a pause


def main() -> None:
    shown: dict[str, Display] = {}
    finals: list[str] = []

    def show(tentative: str) -> None:
        if "display" in shown:
            shown["display"].show(" ".join(finals), tentative)

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

    def listen(samples: Samples, display: Display) -> None:
        finals.clear()
        shown["display"] = display
        tail = np.zeros(int(TAIL_S * 16_000), np.float32)
        whole = np.concatenate([samples, tail])
        display.speak(whole, lambda chunk: recorder.feed_audio(as_int16(chunk)))
        display.wait_until_quiet()

    play(listen)


if __name__ == "__main__":
    main()

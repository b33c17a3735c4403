"""Transcription of files by one system; run by :mod:`benchmarks.files` in that system's environment.

``python file_systems.py SYSTEM FOLDER MODEL OUT`` transcribes every WAV file of FOLDER and writes
times and words to OUT. Every system uses two threads and the same weights; systems on torch use
the GPU if there is one.
"""

from __future__ import annotations

import json
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from asr_core.audio.pcm import to_float32

N_THREADS = 2

Words = list[tuple[str, float, float]]
Transcriber = Callable[[Path], tuple[str, Words]]


def ours(model: str, engine_name: str) -> Transcriber:
    from asr_core.engines import load_engine
    from asr_core.full_context import FileOptions, transcribe

    engine = load_engine(Path(model), engine_name, n_threads=N_THREADS)  # type: ignore[arg-type]

    def run(path: Path) -> tuple[str, Words]:
        transcript = transcribe(path, engine, FileOptions(language="en"))
        return transcript.text, [(w.text, w.start, w.end) for w in transcript.words]

    return run


def faster_whisper(model: str, mode: str) -> Transcriber:
    import faster_whisper

    whisper = faster_whisper.WhisperModel(
        model, device="cpu", compute_type="int8", cpu_threads=N_THREADS
    )
    batched = faster_whisper.BatchedInferencePipeline(whisper)

    def run(path: Path) -> tuple[str, Words]:
        options: dict[str, Any] = {"language": "en", "beam_size": 1 if mode == "beam1" else 5}
        if mode == "vad":
            options["vad_filter"] = True
        if mode == "batched":
            segments, _ = batched.transcribe(str(path), batch_size=8, **options)
        else:
            segments, _ = whisper.transcribe(str(path), word_timestamps=mode == "words", **options)
        found = list(segments)
        words = [(w.word, w.start, w.end) for s in found for w in s.words or ()]
        return "".join(segment.text for segment in found), words

    return run


def transformers(model: str, mode: str) -> Transcriber:
    import torch
    import transformers

    from asr_core.engines.whisper.tokenizer import WhisperTokenizer
    from asr_core.models.ctranslate2_format import convert_to_transformers, read_config

    torch.set_num_threads(N_THREADS)
    directory = Path(model)
    whisper = convert_to_transformers(directory)
    multilingual = whisper.config.vocab_size >= 51865
    tokenizer = WhisperTokenizer(directory, multilingual=multilingual)
    config = read_config(directory)
    known = whisper.generation_config
    known.is_multilingual = multilingual
    known.no_timestamps_token_id = tokenizer.no_timestamps
    known.decoder_start_token_id = tokenizer.start
    known.eos_token_id = known.pad_token_id = known.bos_token_id = tokenizer.end
    known.suppress_tokens = config["suppress_ids"]
    known.begin_suppress_tokens = config["suppress_ids_begin"]
    known.max_length, known.max_initial_timestamp_index = 448, 50
    known.prev_sot_token_id = tokenizer.no_timestamps - 2
    if multilingual:
        tokens = tokenizer.language_tokens
        known.lang_to_id = {f"<|{code}|>": number for code, number in tokens.items()}
        first_task = max(tokens.values()) + 1
        known.task_to_id = {"translate": first_task, "transcribe": first_task + 1}
    options: dict[str, Any] = {"chunk_length_s": 30, "batch_size": 8} if mode == "chunked" else {}
    if torch.cuda.is_available():
        options |= {"device": 0, "dtype": torch.float16}
        whisper = whisper.to("cuda", torch.float16)
    pipeline = transformers.pipeline(
        "automatic-speech-recognition",
        model=whisper,
        tokenizer=transformers.WhisperTokenizerFast(
            tokenizer_file=str(directory / "tokenizer.json"), pad_token="<|endoftext|>"
        ),
        feature_extractor=transformers.WhisperFeatureExtractor(),
        **options,
    )
    generate = {"language": "en", "task": "transcribe"} if multilingual else {}

    def run(path: Path) -> tuple[str, Words]:
        sound = {"raw": _samples(path), "sampling_rate": 16_000}
        answer = pipeline(sound, return_timestamps=True, generate_kwargs=generate)
        return answer["text"], []

    return run


def openai_whisper(model: str, beam_size: int | None) -> Transcriber:
    import torch
    import whisper

    torch.set_num_threads(N_THREADS)
    loaded = whisper.load_model(model, device="cpu")

    def run(path: Path) -> tuple[str, Words]:
        answer = loaded.transcribe(_samples(path), language="en", fp16=False, beam_size=beam_size)
        return answer["text"], []

    return run


def whisper_cpp(model: str) -> Transcriber:
    from pywhispercpp.model import Model

    loaded = Model(model, n_threads=N_THREADS, print_progress=False, print_realtime=False)

    def run(path: Path) -> tuple[str, Words]:
        segments = loaded.transcribe(_samples(path), language="en")
        return " ".join(segment.text for segment in segments), []

    return run


def _samples(path: Path) -> np.ndarray:
    """Return (n_samples,) float32; given a path, some systems would need the ffmpeg program."""
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return to_float32(data)


SYSTEMS: dict[str, Callable[[str], Transcriber]] = {
    "ours": lambda model: ours(model, "onnx"),
    "ours, transformers engine": lambda model: ours(model, "transformers"),
    "faster-whisper, beam 5": lambda model: faster_whisper(model, "beam5"),
    "faster-whisper, beam 5, VAD": lambda model: faster_whisper(model, "vad"),
    "faster-whisper, beam 5, word times": lambda model: faster_whisper(model, "words"),
    "faster-whisper, beam 1": lambda model: faster_whisper(model, "beam1"),
    "faster-whisper, batched by 8": lambda model: faster_whisper(model, "batched"),
    "transformers, long-form": lambda model: transformers(model, "long-form"),
    "transformers, chunks by 8": lambda model: transformers(model, "chunked"),
    "openai-whisper, greedy": lambda model: openai_whisper(model, None),
    "whisper.cpp, 16 bits": whisper_cpp,
}


def main() -> None:
    system, folder, model, out = sys.argv[1:]
    started = time.monotonic()
    run = SYSTEMS[system](model)
    load_s = time.monotonic() - started
    files = {}
    for path in sorted(Path(folder).glob("*.wav")):
        started = time.monotonic()
        text, words = run(path)
        files[path.stem] = {"seconds": time.monotonic() - started, "text": text, "words": words}
    import resource

    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    Path(out).write_text(json.dumps({"load_s": load_s, "peak_mb": peak_mb, "files": files}))


if __name__ == "__main__":
    main()

"""Uses of private parts of libraries other than Streamlit, and the reasons for them.

======================  ====================  ===================================================
Module                  Written for           Can go when
======================  ====================  ===================================================
``aiortc_receiver``     aiortc 1.16           a receiver's jitter buffer and codecs can be chosen,
                                              its packets filtered, and it survives malformed ones
``ffmpeg_limits``       PyAV 16 to 18         PyAV can limit FFmpeg's allocations
``silero_file``         faster-whisper 1.2    Silero's network comes as a package without torch
``uvicorn_limits``      uvicorn 0.54          idle and stalled connections can be limited
======================  ====================  ===================================================

Modules here import nothing else of this package, so that every part of it can use them; what they
install comes as an argument. Streamlit's private parts are in ``widgets/workarounds``, since
``asr_core`` never imports Streamlit. After an upgrade run ``tests/unit/workarounds``.
"""

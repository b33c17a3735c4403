"""Parts that all Whisper engines share, whatever library runs the model.

``engine`` holds the base class; a window passes through ``features``, ``requests``, the
engine's own encoder and decoder, ``timing`` and ``hypotheses``.
"""

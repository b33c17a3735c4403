"""Sentences to read aloud that cover the sounds of English.

Written for this project. Each list of ten holds all 39 phonemes of General American
(as CMUdict counts them), the rare ones more than once.
"""

from __future__ import annotations

__all__ = ["PROMPT_LISTS"]

PROMPT_LISTS: dict[str, tuple[str, ...]] = {
    "Everyday": (
        "The choir rehearsed in a chilly hall above the bakery.",
        "Pour the oil slowly, then measure a pinch of ginger.",
        "Both boys enjoyed a long voyage around the southern islands.",
        "She usually wears a beige jacket on the way to the garage.",
        "Thick fog hid the bridge until a quarter past eleven.",
        "My mother put the good cushions beneath the wooden bench.",
        "Did you hear the young judge laugh at his own joke?",
        "A zebra crossed the dusty road while we waited for a bus.",
        "Their house was full of toys, books and noisy visitors.",
        "Few people would choose to swim in such cold water.",
    ),
    "Town and travel": (
        "The tram leaves from platform nine at half past two.",
        "Could you show me the shortest path to the harbour?",
        "We pay in cash because the machine refuses my card.",
        "An unusual vision of the city rose through the smoke.",
        "Roy lost his voice shouting at the football ground.",
        "Hang your wet clothes near the fire and take a chair.",
        "George bought three jars of orange jam at the market.",
        "The youth hostel has a view over vineyards and valleys.",
        "Casual clothing is fine, but bring warm gloves and boots.",
        "Each of them argued about the price of fuel for an hour.",
    ),
    "Numbers and names": (
        "Flight seven forty three to Zurich boards at gate sixteen.",
        "Please call Joyce at five five one, oh two nine eight.",
        "The invoice of the third of July comes to ninety euros.",
        "Hugh Thatcher lives at two hundred and twelve Yew Road.",
        "Turn the temperature down to eighteen and a half degrees.",
        "Asia and Europe share the longest border on the map.",
        "Professor Yang will give the address on Wednesday, not Thursday.",
        "He would rather pay four thousand pounds than go to court.",
        "Their decision pleased Mister Cho, but it annoyed Madge Doyle.",
        "Push button eight, wait for the sign, and pull the handle.",
    ),
}

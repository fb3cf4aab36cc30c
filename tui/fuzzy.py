"""How well words match a text: quick enough for thousands of texts at every key. Pure."""

from __future__ import annotations


def score(query: str, text: str) -> float:
    """How well TEXT matches QUERY, 0 when it does not: every word of QUERY has to be in it, best at the beginning of
    a word, else anywhere, else letter by letter in order. The shorter of two that match alike is the better.

    >>> score("pool", "Pool usage") > score("pool", "whirlpool") > score("pool", "p, then o, then o, then l") > 0
    True
    >>> score("usg pool", "Pool usage") > 0, score("xyz", "Pool usage"), score("", "Pool")
    (True, 0.0, 0.0)
    """
    hay = text.lower()
    total = 0.0
    words = query.lower().split()
    for word in words:
        found = _word(word, hay)
        if not found:
            return 0.0
        total += found
    return total / len(words) - len(hay) / 10_000 if words else 0.0


def _word(word: str, hay: str) -> float:
    place = hay.find(word)
    if place >= 0:
        starts = place == 0 or not hay[place - 1].isalnum() or f" {word}" in hay
        return 4.0 if place == 0 else 3.0 if starts else 2.0
    at = first = hay.find(word[0])
    for letter in word[1:]:
        at = hay.find(letter, at + 1) if at >= 0 else -1
    # The closer together the letters, the more likely it was meant.
    return len(word) / (at - first + 1) if at >= 0 else 0.0

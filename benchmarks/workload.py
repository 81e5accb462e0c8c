"""W1's states and texts: the same bytes on every machine, for every contestant (standard library only).

A state is `{"messages": […], "scratch": {40 keys of 500 characters}}`. Each step appends one message of about
1,500 bytes of compact JSON and replaces two of the scratch keys. The words follow a Zipf-like distribution, so
that one message compresses to 60 % with zstd-3 and a state of 1,000 messages to 40 %, like English prose.
"""

import bisect
import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

MESSAGE_BYTES = 1500
N_KEYS = 40
KEY_CHARACTERS = 500
KEYS_PER_STEP = 2
SEED = 42

Step = tuple[dict[str, Any], dict[str, str]]


def _vocabulary(n: int = 3000, seed: int = 7) -> list[str]:
    chance, words = random.Random(seed), set[str]()
    while len(words) < n:
        words.add("".join(_syllable(chance) for _ in range(chance.choice((1, 2, 2, 3, 3, 4)))))
    return sorted(words, key=lambda word: (len(word), word))


def _syllable(chance: random.Random) -> str:
    consonants, vowels = "bcdfghjklmnprstvwz", "aeiou"
    open_syllable = chance.choice(consonants) + chance.choice(vowels)
    return open_syllable + (chance.choice(consonants) if chance.random() < 0.4 else "")


_WORDS = _vocabulary()
_CUMULATED = list(itertools.accumulate(1 / (rank + 2) ** 1.05 for rank in range(len(_WORDS))))


def text(chance: random.Random, n_characters: int) -> str:
    words, n = [], 0
    while n < n_characters:
        words.append(_WORDS[bisect.bisect(_CUMULATED, chance.random() * _CUMULATED[-1])])
        n += len(words[-1]) + 1
    return " ".join(words)[:n_characters]


def message(chance: random.Random) -> dict[str, Any]:
    call: dict[str, Any] = {"id": "", "name": "", "args": {}, "result": ""}
    made: dict[str, Any] = {
        "role": "assistant",
        "id": f"msg_{chance.getrandbits(128):032x}",
        "content": text(chance, 640),
    }
    call["id"] = f"call_{chance.getrandbits(96):024x}"
    call["name"] = chance.choice(("search", "read_file", "run_sql", "http_get"))
    call["args"] = {
        "query": text(chance, 80),
        "limit": chance.randrange(100),
        "path": f"/data/{chance.randrange(10**6):06d}.json",
    }
    made["tool_call"] = call
    missing = MESSAGE_BYTES - len(json.dumps(made, separators=(",", ":")))
    call["result"] = text(chance, max(missing, 1))
    return made


def initial(seed: int = SEED) -> dict[str, Any]:
    return _begin(seed)[1]


def steps(n: int, seed: int = SEED) -> Iterator[Step]:
    """Yield the message and the changed scratch keys of each step."""
    chance, _ = _begin(seed)
    for _ in range(n):
        said = message(chance)
        keys = chance.sample(range(N_KEYS), KEYS_PER_STEP)
        yield said, {_key(number): text(chance, KEY_CHARACTERS) for number in keys}


def states(n: int, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Yield the true state after each step; always the same object, changed."""
    state = initial(seed)
    for said, changed in steps(n, seed):
        state["messages"].append(said)
        state["scratch"].update(changed)
        yield state


def _begin(seed: int) -> tuple[random.Random, dict[str, Any]]:
    chance = random.Random(seed)
    return chance, {
        "messages": [],
        "scratch": {_key(number): text(chance, KEY_CHARACTERS) for number in range(N_KEYS)},
    }


def _key(number: int) -> str:
    return f"key_{number:02d}"

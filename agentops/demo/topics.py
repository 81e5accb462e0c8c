"""Groups texts by topic, without a language model (pure).

Source: I. Dhillon, D. Modha, "Concept Decompositions for Large Sparse Text Data Using Clustering", Machine
Learning 42, 2001 (spherical k-means); the number of groups and the first centres come from J. Hartigan's leader
algorithm ("Clustering Algorithms", 1975, chapter 3), so that nothing has to be guessed and nothing is random.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentops.demo.summarise import content_words

MIN_SIMILARITY = 0.13
MAX_SHARE = 0.25
MIN_MEMBERS = 3
MIN_LETTERS = 3
ROUNDS = 3
LABEL_WORDS = 3

Vector = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Topic:
    """A label of a few words, and the places of its texts."""

    label: str
    members: list[int]


def topics(texts: Sequence[str], *, others: str = "Other pages") -> list[Topic]:
    """Return the topics of `texts`, the largest first; what fits no other text comes last, under `others`."""
    vectors = _weighted([Counter(content_words(text)) for text in texts])
    centres = _leaders(vectors)
    groups: list[list[int]] = []
    for _ in range(ROUNDS):
        groups = _assigned(vectors, centres)
        centres = [_centre([vectors[index] for index in group]) for group in groups]
    found = [
        Topic(_label(centre), group)
        for group, centre in zip(groups, centres, strict=True)
        if len(group) >= MIN_MEMBERS and centre
    ]
    placed = {index for topic in found for index in topic.members}
    rest = [index for index in range(len(texts)) if index not in placed]
    return sorted(found, key=lambda topic: -len(topic.members)) + ([Topic(others, rest)] if rest else [])


def _weighted(counts: Sequence[Mapping[str, int]]) -> list[Vector]:
    """Return a unit vector a text by tf-idf; words of one text only, or of too many, say nothing about topics."""
    frequency = Counter(word for words in counts for word in words)
    most = max(MIN_MEMBERS, len(counts) * MAX_SHARE)
    return [
        _unit(
            {
                word: (1 + math.log(n)) * math.log(len(counts) / frequency[word])
                for word, n in words.items()
                if len(word) >= MIN_LETTERS and 1 < frequency[word] <= most
            }
        )
        for words in counts
    ]


def _leaders(vectors: Sequence[Vector]) -> list[Vector]:
    """Return the first centres: a text that is like none of them founds the next one."""
    groups: list[list[Vector]] = []
    centres: list[Vector] = []
    for vector in vectors:
        best = _nearest(vector, centres)
        if best is not None and _cosine(vector, centres[best]) >= MIN_SIMILARITY:
            groups[best].append(vector)
            centres[best] = _centre(groups[best])
        elif vector:
            groups.append([vector])
            centres.append(vector)
    return centres


def _assigned(vectors: Sequence[Vector], centres: Sequence[Vector]) -> list[list[int]]:
    groups: list[list[int]] = [[] for _ in centres]
    for index, vector in enumerate(vectors):
        best = _nearest(vector, centres)
        if best is not None and _cosine(vector, centres[best]) > 0:
            groups[best].append(index)
    return groups


def _nearest(vector: Vector, centres: Sequence[Vector]) -> int | None:
    return max(range(len(centres)), key=lambda place: _cosine(vector, centres[place]), default=None)


def _cosine(one: Vector, other: Vector) -> float:
    few, many = (one, other) if len(one) < len(other) else (other, one)
    return sum(weight * many.get(word, 0.0) for word, weight in few.items())


def _centre(vectors: Sequence[Vector]) -> Vector:
    total: dict[str, float] = {}
    for vector in vectors:
        for word, weight in vector.items():
            total[word] = total.get(word, 0.0) + weight
    return _unit(total)


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(weight * weight for weight in vector.values()))
    return {word: weight / length for word, weight in vector.items()} if length else {}


def _label(centre: Vector) -> str:
    best = sorted(centre, key=lambda word: (-centre[word], word))[:LABEL_WORDS]
    return ", ".join(best).capitalize()

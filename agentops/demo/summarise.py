"""Extractive summaries and keywords of a text, without a language model (pure).

A text becomes a graph (of its sentences, or of its words), and the vertices that the graph itself holds to be
central are kept. Nothing is written anew, so a summary can be wrong only in what it leaves out.

Source: R. Mihalcea, P. Tarau, "TextRank: Bringing Order into Texts", EMNLP 2004; the sentence similarity is that
of its section 4.1, the word window that of section 3.1. Ranking towards a query: A. Kazemi et al., "Biased
TextRank: Unsupervised Graph-Based Content Extraction", COLING 2020 (the restart of the random walk is biased); by
the same means a sentence gains from standing early (H. P. Edmundson, "New Methods in Automatic Extracting", 1969).
"""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

MAX_CHARACTERS = 100_000
MAX_SENTENCES = 100
MAX_SENTENCE_WORDS = 60
MIN_SENTENCE_WORDS = 5
MIN_LETTER_SHARE = 0.7
DAMPING = 0.85
TOLERANCE = 1e-4
MAX_ROUNDS = 50
WINDOW = 2
LEAD = 0.3
QUERY = 2.0
MAX_OVERLAP = 0.4

Graph = Sequence[Mapping[int, float]]

_SENTENCE_END = re.compile(
    r"((?<=[\w)\]%”\"'`])(?<!e\.g)(?<!i\.e)(?<!\bvs)[.!?]+[\"'”)\]]*)\s+(?=[^a-z\s])|(?<=[。！？])"  # noqa: RUF001 -- full stops of other scripts
)
_BULLET = re.compile(r"\s*[-*•]\s+")
# A letter of a script without spaces counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+")
_CODE = re.compile(r"=|>>>|->|__|\w\(\w*\(|\(self\b")
_STOP_WORDS = frozenset(
    _WORD.findall(
        """a about above after again against all also am an and any are as at be because been before being below
        between both but by can cannot could did do does doing down during each either else few for from further had
        has have having he her here hers him his how however i if in into is it its itself just like many may me
        might more most must my no nor not of off on once one only or other otherwise our out over own same see shall
        she should since so some such than that the their them then there these they this those through thus to too
        two under until up upon us use used uses using very was we were what when where whether which while who whom
        why will with within without would you your"""
    )
)


def summarise(text: str, *, max_sentences: int = 3, query: str = "") -> list[str]:
    """Return the most central sentences of `text`, in its own order and its own words.

    White space inside a sentence is reduced to single blanks. With `query`, sentences near its words are
    preferred. A text without prose gives an empty list.
    """
    sentences = _prose(text)
    words = [content_words(sentence) for sentence in sentences]
    scores = _rank(_similarities(words), _restarts(words, content_words(query)))
    best = sorted(range(len(sentences)), key=lambda index: (-scores[index], index))
    return [sentences[index] for index in sorted(_distinct(best, words, max_sentences))]


def keywords(text: str, *, max_words: int = 8) -> list[str]:
    """Return the most central words of the prose in `text`, best first, in lower case."""
    words = [word for sentence in _prose(text) for word in content_words(sentence) if len(word) > 2]
    names = list(dict.fromkeys(words))
    scores = _rank(_neighbours(words, names), [1.0] * len(names))
    best = sorted(range(len(names)), key=lambda index: (-scores[index], names[index]))
    return [names[index] for index in best[:max_words]]


def _distinct(best: Iterable[int], words: Sequence[Collection[str]], limit: int) -> list[int]:
    """Return the best sentences, leaving out those that mostly repeat a better one."""
    chosen: list[int] = []
    for index in best:
        if len(chosen) == limit:
            break
        if not any(_overlap(set(words[index]), set(words[other])) > MAX_OVERLAP for other in chosen):
            chosen.append(index)
    return chosen


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / (len(one | other) or 1)


def _prose(text: str) -> list[str]:
    """Return the first distinct sentences of some length; the very first counts however short it is."""
    ended = dict.fromkeys(sentence for sentence in _sentences(text[:MAX_CHARACTERS]) if _is_prose(sentence))
    long = (s for n, s in enumerate(ended) if n == 0 or len(_WORD.findall(s)) >= MIN_SENTENCE_WORDS)
    return list(islice(long, MAX_SENTENCES))


def _sentences(text: str) -> Iterator[str]:
    for block in _blocks(text):
        yield from _SENTENCE_END.sub(r"\1\n", " ".join(block.split())).splitlines()


def _blocks(text: str) -> Iterator[str]:
    """Yield what belongs together: up to a blank line, a bullet, or a line that is less indented than its neighbour."""
    block: list[str] = []
    depth = 0
    for line in text.splitlines():
        indent, bullet = len(line) - len(line.lstrip()), _BULLET.match(line)
        if block and (not line.strip() or bullet or indent < depth):
            yield "\n".join(block)
            block = []
        block.append(line[bullet.end() :] if bullet else line)
        depth = indent
    yield "\n".join(block)


def _is_prose(sentence: str) -> bool:
    """Whether it reads as a sentence: ended, not endless, mostly letters, and no code."""
    if _CODE.search(sentence) or sentence.rstrip("\"')]")[-1:] not in tuple(".!?。！？"):  # noqa: RUF001 -- full stops of other scripts
        return False
    words = _WORD.findall(sentence)
    letters, characters = sum(map(len, words)), len(sentence.replace(" ", ""))
    return len(words) <= MAX_SENTENCE_WORDS and letters >= MIN_LETTER_SHARE * characters


def content_words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS]


def _similarities(sentences: Sequence[Collection[str]]) -> Graph:
    """Connect sentences by their shared words, over the logarithms of their lengths."""
    sets = [frozenset(words) for words in sentences]
    logs = [math.log(len(words)) if words else 0.0 for words in sentences]
    graph: list[dict[int, float]] = [{} for _ in sentences]
    for i, words in enumerate(sets):
        for j in range(i):
            shared, length = len(words & sets[j]), logs[i] + logs[j]
            if shared and length:
                graph[i][j] = graph[j][i] = shared / length
    return graph


def _neighbours(words: Sequence[str], names: Sequence[str]) -> Graph:
    """Connect words that stand within WINDOW of each other."""
    places = {name: index for index, name in enumerate(names)}
    graph: list[dict[int, float]] = [{} for _ in names]
    for distance in range(1, WINDOW + 1):
        for one, other in zip(words, words[distance:], strict=False):
            if one != other:
                graph[places[one]][places[other]] = graph[places[other]][places[one]] = 1.0
    return graph


def _restarts(sentences: Sequence[Collection[str]], query: Collection[str]) -> list[float]:
    """Return the bias of each sentence: words of the query draw the walk, and so does standing at the beginning."""
    wanted, size = set(query), 3 + len(sentences)
    return [
        1.0 + LEAD * size / (1 + place) + QUERY * size * len(wanted & set(words)) / (len(wanted) or 1)
        for place, words in enumerate(sentences)
    ]


def _rank(graph: Graph, restart: Sequence[float]) -> list[float]:
    """Return the weighted PageRank of each vertex (formula 2 of the paper), the restart being biased."""
    totals = [sum(edges.values()) for edges in graph]
    shares = [[(j, weight / totals[j]) for j, weight in edges.items()] for edges in graph]
    scores = list(restart)
    for _ in range(MAX_ROUNDS):
        previous = scores
        scores = [
            (1 - DAMPING) * base + DAMPING * sum(previous[j] * share for j, share in edges)
            for base, edges in zip(restart, shares, strict=True)
        ]
        if all(abs(old - new) < TOLERANCE for old, new in zip(previous, scores, strict=True)):
            break
    return scores

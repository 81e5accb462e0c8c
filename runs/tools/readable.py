"""What a person would read on an HTML page: its title, its text, its links (pure)."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "nav", "footer", "head"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "br", "caption", "dd", "details", "div", "dl", "dt"}
    | {
        "fieldset",
        "figcaption",
        "figure",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
    }
    | {"ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"}
)
_SOURCE_SPACE = re.compile(r"[ \t\r\n\f]+")
_LINE_EDGES = re.compile(r" *\n *")
_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Readable:
    """A page's title, its text (blocks apart by a blank line), and its absolute links, each once."""

    title: str
    text: str
    links: list[str]


def readable(html: str, url: str) -> Readable:
    """Return what is to be read in `html`, which was found at `url`; broken markup is read as far as it goes."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    base = urljoin(url, reader.base)
    links = (_absolute(base, href) for href in reader.hrefs)
    title = " ".join("".join(reader.title).split())
    return Readable(title, _tidy("".join(reader.text)), list(dict.fromkeys(filter(None, links))))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.text: list[str] = []
        self.hrefs: list[str] = []
        self.base = ""
        self._in_title = False
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.text.append("\n" if tag == "br" else "\n\n")
        elif tag in _SILENT:
            self._silent.append(tag)
        elif tag == "title":
            self._in_title = True
        elif tag in ("a", "base"):
            self._link(tag, dict(attrs).get("href"))

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.text.append("\n\n")
        elif tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif tag == "title":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._silent:
            self.text.append(_SOURCE_SPACE.sub(" ", data))

    def _link(self, tag: str, href: str | None) -> None:
        if tag == "base":
            self.base = self.base or (href or "")
        elif href:
            self.hrefs.append(href)


def _absolute(base: str, href: str) -> str:
    """Return the link without its fragment, or nothing when it does not lead to a page."""
    try:
        link = urldefrag(urljoin(base, href.strip())).url
        parts = urlsplit(link)
    except ValueError:
        return ""
    return link if parts.scheme in ("http", "https") and parts.netloc else ""


def _tidy(text: str) -> str:
    """Blank lines part the blocks; a no-break space is a space that was meant, so indentation stays."""
    text = _LINE_EDGES.sub("\n", re.sub(r" +", " ", text)).replace("\xa0", " ")
    return _BLANK_LINES.sub("\n\n", text).strip()

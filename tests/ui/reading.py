"""Reading pages in tests as a person does."""

import re

from bs4 import BeautifulSoup, Tag


def words(node: BeautifulSoup | Tag | None) -> str:
    """Return the text of a node on one line."""
    assert node is not None
    return re.sub(r"\s+", " ", node.get_text(" ")).strip()


def one(node: BeautifulSoup | Tag, selector: str) -> Tag:
    found = node.select(selector)
    assert len(found) == 1, f"{len(found)} elements match {selector}"
    return found[0]


def rows(node: BeautifulSoup | Tag) -> list[str]:
    """Return the rows of the tree as text: name, what stands beside it, duration."""
    return [words(row) for row in node.select("#tree [role=row]")]


def row_named(node: BeautifulSoup | Tag, text: str) -> Tag:
    found = [row for row in node.select("#tree [role=row]") if text in words(row)]
    assert found, f"no row says {text!r}; there are {rows(node)}"
    return found[0]


def vital(node: BeautifulSoup | Tag, name: str) -> str:
    for pair in node.select(".vitals > div"):
        if words(pair.find("dt")) == name:
            return words(pair.find("dd"))
    raise AssertionError(f"there is no vital {name!r}")


def html(node: BeautifulSoup | Tag) -> str:
    """Return the source of a node without the tokens of its forms, which are new in every answer."""
    return re.sub(r'(name="csrfmiddlewaretoken"[^>]*value=")[^"]*', r"\1", str(node)).strip()


def attribute(tag: Tag, name: str) -> str:
    """Return an attribute that holds one value."""
    return str(tag[name])


def below(row: Tag) -> list[str]:
    """Return the rows that are shown inside a row of the tree."""
    box = row.find_next_sibling("div", class_="in")
    assert box is not None
    return [words(found) for found in box.select("[role=row]")]

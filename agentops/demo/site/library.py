"""The pages of the demo site: the reference of the installed Python, as `pydoc` writes it."""

import hashlib
import html
import importlib
import importlib.util
import os
import pkgutil
import pydoc
import re
import sys
import threading
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from functools import cached_property
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

# Importing these does something (opens a browser, a window), needs what may be absent, or shows no reference.
_EXCLUDED = frozenset(
    {"antigravity", "this", "idlelib", "test", "turtle", "turtledemo", "tkinter", "lib2to3", "distutils"}
    | {"ensurepip", "venv", "encodings", "pydoc_data", "nt", "msvcrt", "winreg", "winsound", "msilib"}
    | {"multiprocessing.popen_spawn_win32", "asyncio.windows_events", "asyncio.windows_utils"}
    | {"ctypes.wintypes", "ctypes.macholib", "dbm.gnu", "dbm.ndbm", "xml.etree.cElementTree"}
)
_LINK = re.compile(r'<a href="(?P<target>[^"]*)">(?P<label>.*?)</a>', re.DOTALL)
_MODULE_LINK = re.compile(r"(?P<module>[\w.]*?)(\.html)?(?P<fragment>#.*)?")


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is sent; `modified` is an HTTP date, or empty."""

    body: bytes
    content_type: str
    modified: str = ""

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


def html_page(title: str, main: str, *, modified: str = "") -> Page:
    """Return a whole HTML page around `main`, which is markup; `title` is text."""
    body = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/style.css"></head>\n<body>'
        '<nav><a href="/">Python reference</a> <a href="/reports/">Reports</a></nav>\n'
        f"<main>\n{main}\n</main></body></html>\n"
    )
    return Page(body.encode("utf-8", "replace"), "text/html; charset=utf-8", modified)


class _Doc(pydoc.HTMLDoc):
    """pydoc without the values of data: `os.environ` and `sys.argv` are this machine's secrets, not reference."""

    def docother(self, object: Any, name: str | None = None, mod: Any = None, *ignored: Any) -> str:  # noqa: A002 -- pydoc's name
        value = f" = {object!r}" if type(object) in (int, float, bool) else ""
        return f"<strong>{html.escape(name or '')}</strong>: {html.escape(type(object).__name__)}{value}"


class Library:
    """Every module of the standard library that has a page; a page is made when it is first asked for."""

    def __init__(self) -> None:
        found = sorted(_documented(), key=lambda spec: (spec.name.count("."), spec.name.lower()))
        self._specs = {spec.name: spec for spec in found}
        self._pages: dict[str, Page] = {}
        # pydoc and the import system keep state of their own, so one page is made at a time.
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        return list(self._specs)

    def page(self, name: str) -> Page | None:
        """Return the module's page, or None when there is no such module.

        Raises: ImportError when the installed Python lists it but cannot import it.
        """
        if name not in self._specs:
            return None
        with self._lock:
            if name not in self._pages:
                self._pages[name] = self._make(name)
            return self._pages[name]

    @cached_property
    def index(self) -> Page:
        """Return the page that links to all others, with what each module says of itself."""
        rows = "\n".join(
            f'<dt><a href="{path_of(name)}">{name}</a></dt><dd>{html.escape(_synopsis(spec))}</dd>'
            for name, spec in self._specs.items()
        )
        version = ".".join(map(str, sys.version_info[:3]))
        return html_page(
            f"Python {version} reference",
            f"<h1>Python {version}</h1>\n<p>The reference pages of the {len(self._specs)} modules installed here.</p>"
            f'\n<dl>\n{rows}\n</dl>\n<p><a href="/internal/build">Build details</a> (not for robots)</p>',
        )

    def sitemap(self, origin: str) -> Page:
        """Return the list of pages after the sitemaps.org protocol 0.9."""
        urls = "\n".join(f"<url><loc>{origin}{path_of(name)}</loc></url>" for name in self._specs)
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}\n</urlset>\n'
        )
        return Page(body.encode(), "application/xml; charset=utf-8", _modified(sys.executable))

    def _make(self, name: str) -> Page:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some modules say on import that their days are counted
            module = importlib.import_module(name)
            markup = _Doc().document(module, name)
        origin = self._specs[name].origin
        return html_page(
            f"{name} module",
            _LINK.sub(self._rewritten, markup),
            modified=_modified(origin if origin and os.sep in origin else sys.executable),
        )

    def _rewritten(self, link: re.Match[str]) -> str:
        """Lead pydoc's links to the site's own paths; those to source files on the disk become text."""
        target, label = link["target"], link["label"]
        if target.startswith(("https:", "http:", "#")):
            return link[0]
        if target == ".":
            return f'<a href="/">{label}</a>'
        found = _MODULE_LINK.fullmatch(target)
        if found and found["module"] in self._specs:
            return f'<a href="{path_of(found["module"])}{found["fragment"] or ""}">{label}</a>'
        return "" if target.startswith("file:") else label


def path_of(name: str) -> str:
    return f"/modules/{name}.html"


def _documented() -> Iterator[ModuleSpec]:
    """Yield what can be found without importing it."""
    for name in sys.stdlib_module_names:
        if name.startswith("_") or name in _EXCLUDED:
            continue
        spec = importlib.util.find_spec(name)
        if spec:
            yield spec
            yield from _parts(name, spec.submodule_search_locations or ())


def _parts(package: str, folders: Iterable[str]) -> Iterator[ModuleSpec]:
    for finder, base, is_package in pkgutil.iter_modules(folders):
        name = f"{package}.{base}"
        if base.startswith("_") or base in {"test", "tests"} or name in _EXCLUDED:
            continue
        spec = finder.find_spec(base, None)
        if spec:
            # The finder knows the part by its last name only; its package must not be imported to ask again.
            yield ModuleSpec(name, spec.loader, origin=spec.origin, is_package=is_package)
            yield from _parts(name, spec.submodule_search_locations or ())


def _synopsis(spec: ModuleSpec) -> str:
    """Return the first line of the module's documentation, read from its file without running it."""
    if not spec.origin or not spec.origin.endswith(".py"):
        return ""
    try:
        with tokenize.open(spec.origin) as source:
            return (pydoc.source_synopsis(source) or "").strip()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""


def _modified(path: str) -> str:
    return formatdate(Path(path).stat().st_mtime, usegmt=True)

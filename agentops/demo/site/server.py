"""The HTTP server of the demo site: the reference pages, a place to publish reports, and faults on demand.

| path | answers |
|---|---|
| `/`, `/modules/<name>.html`, `/sitemap.xml`, `/robots.txt` | the pages, with ETag and Last-Modified |
| `/internal/build` | a corner that robots.txt forbids |
| `POST /reports/<slug>` | publishes `{"title", "markdown"}`, once per `Idempotency-Key` |
| `/reports/`, `/reports/<slug>` | what was published |
| `/market/prices/<SYMBOL>` | `{"symbol", "price_cents"}`; `POST` fixes the price |
| `POST /market/orders` | buys `{"symbol", "quantity"}`, once per `Idempotency-Key` |
| `POST /mail/outbox` | sends `{"to", "subject", "text"}`, once per `Idempotency-Key`; `GET` lists what was sent |
| `/portal/login` | `{"state": "in"}`, or `wait` while the door is shut; `POST /portal/door` `{"is_open"}` opens and shuts it |
| `POST /portal/filings` | files `{"case", "text"}`, once per `Idempotency-Key` |
| `/_control` | the behaviour; `POST` replaces it (behaviour.py) and forgets how often each path was asked for |
| `/_ledger` | `{"applied": {key: count}, "requests": n}` |
"""

import html
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt

from agentops.demo.site.behaviour import Behaviour, BehaviourError, Fate, Fortune
from agentops.demo.site.desk import Desk
from agentops.demo.site.library import Library, Page, html_page
from agentops.demo.site.reports import Answer, Report, Reports

_MODULE = re.compile(r"/modules/(?P<name>[\w.]+)\.html")
MAX_BODY_BYTES = 4 << 20
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; overflow-wrap: anywhere; }
nav a { margin-inline-end: 1rem; }
dt { font-weight: 600; }
table.section { width: 100%; }
.heading-text { text-align: start; }
code, pre, .code { font-family: ui-monospace, monospace; font-size: .9em; }
"""


class DemoSite(ThreadingHTTPServer):
    """The site, bound to this machine only. `port` 0 takes a free one; `url` says which."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        port: int = 0,
        *,
        behaviour: Behaviour | None = None,
        ledger: Path | None = None,
        library: Library | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fortune = Fortune(behaviour or Behaviour())
        self.library = library or Library()
        self.reports = Reports(ledger)
        self.desk = Desk(ledger.with_name(f"{ledger.stem}-desk{ledger.suffix}") if ledger else None)
        self.is_closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that went away, which is what they do when an answer is kept from them."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        self.is_closing.set()  # requests that are kept waiting on purpose end now
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "AgentOpsDemoSite"
    timeout = 60
    server: DemoSite

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_HEAD(self) -> None:
        self._serve(self._get)

    def do_POST(self) -> None:
        self._serve(self._post)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is the base class's
        """Stay silent; the ledger tells what was asked for."""

    @cached_property
    def path_only(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _serve(self, answer: Callable[[], None]) -> None:
        self.__dict__.pop("path_only", None)  # one handler serves all requests of a connection
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in {"127.0.0.1", "localhost"}:
            self._error(HTTPStatus.MISDIRECTED_REQUEST, "This site answers to 127.0.0.1 and localhost only.")
            return
        self.server.reports.note(self.command, self.path_only, self.headers.get("Idempotency-Key", ""))
        answer()

    def _get(self) -> None:
        if self.path_only == "/_control":
            self._json(HTTPStatus.OK, asdict(self.server.fortune.behaviour))
        elif self.path_only == "/_ledger":
            figures = self.server.reports.figures()
            self._json(HTTPStatus.OK, figures | {"applied": figures["applied"] | self.server.desk.figures()})
        elif self.path_only.startswith("/market/prices/"):
            self._spoilt(self.server.fortune.fate(self.path_only), self._price)
        elif self.path_only == "/portal/login":
            self._spoilt(
                self.server.fortune.fate(self.path),
                lambda: self._json(HTTPStatus.OK, self.server.desk.sign_in()),
            )
        elif self.path_only == "/mail/outbox":
            self._json(
                HTTPStatus.OK, {"mails": [it for it in self.server.desk.entries if it["what"] == "mail"]}
            )
        else:
            self._spoilt(self.server.fortune.fate(self.path_only), self._page)

    def _post(self) -> None:
        body = self._body()
        if body is None:
            return
        if self.path_only == "/_control":
            self._control(body)
        elif self.path_only.startswith("/market/prices/"):
            self._answer(self.server.desk.set_price(self.path_only.removeprefix("/market/prices/"), body))
        elif self.path_only == "/portal/door":
            self._answer(self.server.desk.set_door(body))
        elif write := self._writes(body).get(self.path_only.rpartition("/")[0] + "/"):
            self._write(write)
        else:
            self._error(
                HTTPStatus.NOT_FOUND,
                "Post to /reports/<name>, /market/orders, /mail/outbox or /portal/filings.",
            )

    def _writes(self, body: Any) -> dict[str, Callable[[str], Answer]]:
        """Return what a post under each folder does, given its idempotency key."""
        slug = self.path_only.removeprefix("/reports/")
        return {
            "/reports/": lambda key: self.server.reports.publish(slug, body, key),
            "/market/": lambda key: self.server.desk.order(body, key),
            "/mail/": lambda key: self.server.desk.mail(body, key),
            "/portal/": lambda key: self.server.desk.file(body, key),
        }

    def _price(self) -> None:
        price = self.server.desk.price(self.path_only.removeprefix("/market/prices/"))
        if price is None:
            self._error(HTTPStatus.NOT_FOUND, "A symbol has up to twelve capital letters and digits.")
        else:
            self._json(HTTPStatus.OK, price)

    def _control(self, body: Any) -> None:
        try:
            self.server.fortune = Fortune(Behaviour.from_json(body))
        except BehaviourError as error:
            self._json(HTTPStatus.BAD_REQUEST, {"detail": str(error)})
        else:
            self._json(HTTPStatus.OK, asdict(self.server.fortune.behaviour))

    def _write(self, write: Callable[[str], Answer]) -> None:
        """Faults that refuse come before the write is done, those that lose the answer after it."""
        fate = self.server.fortune.fate(self.path_only)
        if fate.fault in ("429", "500", "503"):
            self._spoilt(fate, lambda: None)
            return
        answer = write(self.headers.get("Idempotency-Key", ""))
        self._spoilt(fate, lambda: self._answer(answer))

    def _answer(self, answer: Answer) -> None:
        repeated = {"Idempotent-Replayed": "true"} if answer.is_repeated else {}
        self._json(HTTPStatus(answer.status), answer.body, **repeated)

    def _body(self) -> Any:
        """Return the JSON that was sent, or None after an error was answered."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._error(HTTPStatus.LENGTH_REQUIRED, "Say with Content-Length how long the body is.")
        elif int(length) > MAX_BODY_BYTES:
            self._error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {MAX_BODY_BYTES:,} bytes are taken.")
        elif self.headers.get_content_type() != "application/json":
            # A page in a browser cannot send this type to another site unasked, so it cannot steer this one.
            self._error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json.")
        else:
            return self._parsed(self.rfile.read(int(length)))
        return None

    def _parsed(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            self._error(HTTPStatus.BAD_REQUEST, "The body is not JSON.")
            return None

    def _page(self) -> None:
        try:
            page = self._find(self.path_only)
        except ImportError as error:
            self._error(HTTPStatus.NOT_FOUND, f"This Python cannot import it: {error}.")
            return
        if page is None:
            self._error(
                HTTPStatus.NOT_FOUND, f"There is no page {self.path_only}. All pages are linked from /."
            )
        elif page.etag in self.headers.get("If-None-Match", ""):
            self._send(HTTPStatus.NOT_MODIFIED, replace(page, body=b""), ETag=page.etag)
        else:
            self._send(HTTPStatus.OK, page, ETag=page.etag)

    def _find(self, path: str) -> Page | None:
        fixed: dict[str, Callable[[], Page]] = {
            "/": lambda: self.server.library.index,
            "/robots.txt": self._robots,
            "/sitemap.xml": lambda: self.server.library.sitemap(self.server.url),
            "/style.css": lambda: _plain(_STYLE, "text/css"),
            "/internal/build": lambda: html_page("Build details", "<h1>Nothing for robots to see here</h1>"),
            "/reports/": self._reports,
        }
        if path in fixed:
            return fixed[path]()
        if path.startswith("/reports/"):
            return _shown(self.server.reports.get(path.removeprefix("/reports/")))
        module = _MODULE.fullmatch(path)
        return self.server.library.page(module["name"]) if module else None

    def _robots(self) -> Page:
        delay = self.server.fortune.behaviour.crawl_delay_seconds
        return _plain(
            f"User-agent: *\nDisallow: /internal/\nDisallow: /_\nCrawl-delay: {delay:g}\n"
            f"Sitemap: {self.server.url}/sitemap.xml\n"
        )

    def _reports(self) -> Page:
        items = "\n".join(
            f'<li><a href="/reports/{report.slug}">{html.escape(report.title)}</a></li>'
            for report in self.server.reports.all()
        )
        return html_page("Reports", f"<h1>Reports</h1>\n<ul>\n{items or '<li>None yet.</li>'}\n</ul>")

    def _spoilt(self, fate: Fate, answer: Callable[[], None]) -> None:
        """Answer after the latency, or fail in the way that fate chose."""
        self._wait(fate.delay_seconds)
        if fate.fault in ("500", "503"):
            self._error(HTTPStatus(int(fate.fault)), "This fault was ordered at /_control.")
        elif fate.fault == "429":
            self._error(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Too fast; this fault was ordered at /_control.",
                **{"Retry-After": "1" if fate.chance < 0.5 else self.date_time_string(int(time.time()) + 2)},
            )
        elif fate.fault:
            self._break_off(fate.fault)
        else:
            answer()

    def _break_off(self, fault: str) -> None:
        self.close_connection = True
        if fault == "malformed":
            self.wfile.write(b"HTPT/9.9 yes\x00\r\nthis is no header\r\n\r\n")
            return
        if fault != "timeout":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9999\r\n\r\n<p>Half a"
            )
            self.wfile.flush()
        if fault != "cut":
            self._wait(self.server.fortune.behaviour.hang_seconds)

    def _wait(self, seconds: float) -> None:
        self.server.is_closing.wait(seconds)

    def _json(self, status: HTTPStatus, body: dict[str, Any], **headers: str) -> None:
        self._send(status, _plain(json.dumps(body) + "\n", "application/json"), **headers)

    def _error(self, status: HTTPStatus, detail: str, **headers: str) -> None:
        self.close_connection = True
        page = html_page(
            status.phrase, f"<h1>{status.value} {status.phrase}</h1><p>{html.escape(detail)}</p>"
        )
        self._send(status, page, **headers)

    def _send(self, status: HTTPStatus, page: Page, **headers: str) -> None:
        self.send_response(status)
        if page.modified:
            headers["Last-Modified"] = page.modified
        headers |= {"Content-Type": page.content_type, "X-Content-Type-Options": "nosniff"}
        if self.close_connection:
            headers["Connection"] = "close"
        if status != HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(len(page.body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)


def _shown(report: Report | None) -> Page | None:
    """Return the report as a page; its Markdown may hold no HTML of its own."""
    if report is None:
        return None
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    return html_page(report.title, str(markdown.render(report.markdown)))


def _plain(text: str, content_type: str = "text/plain") -> Page:
    return Page(text.encode(), f"{content_type}; charset=utf-8")

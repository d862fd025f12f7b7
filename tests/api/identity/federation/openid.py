"""The providers as a process, and people's browsers: redirects, cookies and forms over real sockets."""

import json
import selectors
import subprocess
import urllib.error
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from tests.oracles.install import HERE, find_node

START_TIMEOUT_S = 30
ANSWER_TIMEOUT_S = 20
HOPS_MAX = 20


class Providers:
    """`openid.mjs` with one OpenID provider per job; they end when `close` shuts their stdin."""

    def __init__(self, jobs: dict[str, Any]) -> None:
        node = find_node()
        assert node is not None
        self._process = subprocess.Popen(
            [node, HERE / "openid.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(jobs) + "\n")
        self._process.stdin.flush()
        self.issuers: dict[str, str] = json.loads(self._read_line())

    def _read_line(self) -> str:
        stdout = self._process.stdout
        assert stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            assert selector.select(START_TIMEOUT_S), "the providers did not start"
        return stdout.readline()

    def rotate(self, name: str) -> None:
        """New signature keys, as after a provider's yearly change."""
        parts = urlsplit(self.issuers[name])
        with urllib.request.urlopen(
            f"{parts.scheme}://{parts.netloc}/control/rotate", timeout=ANSWER_TIMEOUT_S
        ) as answer:
            assert answer.read() == b"done"

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()


class _Forms(HTMLParser):
    """The first form of a page: its action, its method and its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action, self.fields = "", {}

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        named = dict(attrs)
        if tag == "form":
            self.action = named.get("action", "")
        elif tag in ("input", "button") and named.get("name"):
            self.fields[named["name"]] = named.get("value", "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


class Browser:
    """One person's browser; addresses of `app_url` are the app's claimed links and open the app instead."""

    def __init__(self, app_url: str, **answers: str) -> None:
        self.app_url = app_url
        self.answers = answers
        """What the person types into forms: account, acr, amr, cancel."""
        self.visited: list[str] = []
        jar = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(_NoRedirect, jar)

    def go(self, url: str) -> str:
        """Follow redirects and fill forms until the app opens; returns the address it is opened with.

        A page that is neither ends the walk: (status, body) is raised as AssertionError.
        """
        data = None
        for _ in range(HOPS_MAX):
            if url.startswith(self.app_url):
                return url
            self.visited.append(url)
            status, headers, page = self._fetch(url, data)
            data = None
            if status in (301, 302, 303):
                url = urljoin(url, headers["Location"])
                continue
            forms = _Forms()
            forms.feed(page)
            if status != 200 or not forms.action:
                raise AssertionError(f"{status} at {urlsplit(url).path}: {page[:600]}")
            url = urljoin(url, forms.action)
            filled = {name: self.answers.get(name, value) for name, value in forms.fields.items()}
            data = urlencode(filled).encode()
        raise AssertionError("too many hops")

    def _fetch(self, url: str, data: bytes | None) -> tuple[int, Any, str]:
        try:
            with self._opener.open(url, data, timeout=ANSWER_TIMEOUT_S) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

"""What both tests of log-ins have: a browser with a cookie jar, and words for what is not as it should be."""


import html
import re
import sys
import time
import urllib.parse

import requests

EDGE, CA = sys.argv[1:3]
PAGE = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FETCH = {"accept": "*/*", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin"}
SESSION = "__Host-bartizan"


def check(what, seen, wanted):
    if seen != wanted:
        sys.exit(f"{what}: {seen!r}, wanted {wanted!r}")
    print("ok", what, flush=True)


def true(what, seen, more=""):
    if not seen:
        sys.exit(f"{what}: {more}")
    print("ok", what, flush=True)


def done(what):
    print(what + "?", flush=True)
    sys.stdin.readline()


class Browser:
    def __init__(self):
        self.it = requests.Session()
        self.it.trust_env = False  # proxies and roots of the machine are none of its business
        self.it.verify = CA

    def get(self, url, headers=PAGE, **more):
        url = url if url.startswith("https:") else EDGE + url
        for _ in range(20):
            answer = self.it.get(url, headers=headers, allow_redirects=False, timeout=30, **more)
            if answer.status_code != 429:
                return answer
            time.sleep(1)  # pages of the server are limited by the second
        return answer

    def post(self, url, headers=None, data=None):
        url = url if url.startswith("https:") else EDGE + url
        return self.it.post(url, headers=headers or {}, data=data, allow_redirects=False, timeout=30)

    def follow(self, answer):
        """As far as it is sent on."""
        while answer.status_code in (302, 303):
            answer = self.get(urllib.parse.urljoin(answer.url, answer.headers["location"]))
        return answer

    def begin(self, path="/page"):
        answer = self.get(path)
        if answer.status_code != 303:
            sys.exit(f"{path} leads to no log-in: {answer.status_code} {answer.text}")
        return answer.headers["location"]

    def sign_in(self, at, password):
        """At the provider, up to where it sends the browser back to."""
        answer = self.get(at)
        while True:
            to = answer.headers.get("location")
            if to and urllib.parse.urljoin(answer.url, to).startswith(EDGE):
                return urllib.parse.urljoin(answer.url, to)
            if to:
                answer = self.get(urllib.parse.urljoin(answer.url, to))
                continue
            if "name=\"password\"" not in answer.text:
                sys.exit(f"no sign-in page: {answer.status_code} {answer.text}")
            form = answer.text.split("</form>")[0]  # the second one is for passkeys
            fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form))
            fields = {name: html.unescape(value) for name, value in fields.items()}
            origin = "/".join(answer.url.split("/")[:3])
            answer = self.post(
                urllib.parse.urljoin(answer.url, re.search(r'<form method="post" action="([^"]*)"', answer.text)[1]),
                {"origin": origin, "sec-fetch-site": "same-origin"},
                {**fields, "name": "ana", "password": password},
            )

    def log_in(self, path="/page"):
        answer = self.get(self.sign_in(self.begin(path)))
        check("logged in", answer.status_code, 303)
        return answer

    def cookie(self):
        return next((cookie.value for cookie in self.it.cookies if cookie.name == SESSION), None)

    def with_cookies(self, text):
        """A copy of what it has, as somebody who stole it would send it."""
        return {**FETCH, "cookie": text}

    def cookies(self):
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.it.cookies)


def changed(url, **parameters):
    parts = urllib.parse.urlsplit(url)
    query = {**dict(urllib.parse.parse_qsl(parts.query)), **parameters}
    query = {name: value for name, value in query.items() if value is not None}
    return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(query)))


def word(answer):
    """The short word of a refusal; pages show a reference alone."""
    return answer.json()["reason"] if answer.headers["content-type"] == "application/json" else "page"


def raw(headers, path="/page", method="GET"):
    return requests.request(method, EDGE + path, headers=headers, verify=CA, allow_redirects=False, timeout=30)


def ends(what, browser, within=5.0):
    began = time.monotonic()
    while True:
        answer = browser.get("/page", FETCH)
        if answer.status_code == 401:
            print("ok", what, "ends after", round((time.monotonic() - began) * 1000), "ms", flush=True)
            return
        if time.monotonic() - began > within:
            sys.exit(f"{what} goes on: {answer.status_code}")
        time.sleep(0.02)

"""Browsers that log in at a gateway, written with nothing of ours: cookie jars, redirects, and what pages of other sites can do.

Usage: login.py EDGE CA PASSWORD. Whoever started it answers each line on standard output that ends with `?` with a line on standard input, once
that was done. Fails with the first thing that is not as it should be.
"""

import sys
import time
import urllib.parse

import requests
from login_browser import CA, EDGE, FETCH, PAGE, SESSION, Browser as AnyBrowser, changed, check, done, ends, raw, true, word

PASSWORD = sys.argv[3]


class Browser(AnyBrowser):
    def sign_in(self, at, password=PASSWORD):
        return super().sign_in(at, password)


def strangers():
    browser = Browser()
    answer = browser.get("/page?x=1&y=%20")
    check("a page leads to the provider", answer.status_code, 303)
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["location"]).query))
    check("by code with PKCE", (asked["response_type"], asked["code_challenge_method"]), ("code", "S256"))
    true("as one that cannot be guessed", min(map(len, (asked["state"], asked["nonce"], asked["code_challenge"]))) == 43, asked)
    check("for here", asked["redirect_uri"], EDGE + "/.bartizan/callback")
    set_cookie = answer.headers["set-cookie"]
    true("its cookie is for no script and no other site", all(it in set_cookie for it in ("; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "Max-Age=900")), set_cookie)
    true("it is named for this host alone", set_cookie.startswith("__Host-bartizan-login-"), set_cookie)
    true("nobody reads it", asked["state"] not in set_cookie and asked["nonce"] not in set_cookie, set_cookie)
    check("nobody keeps it", answer.headers["cache-control"], "no-store")
    for what, headers in {
        "a script": FETCH,
        "a frame": {**PAGE, "sec-fetch-dest": "iframe"},
        "a program": {"accept": "*/*"},
        "a script with no word about itself": {"accept": "application/json"},
    }.items():
        answer = Browser().get("/page", headers)
        check(what + " gets no redirect", (answer.status_code, word(answer), "location" in answer.headers), (401, "token_missing", False))
    check("nor does who sends something", Browser().post("/page", PAGE).status_code, 401)
    check("a route without", Browser().get("/api/x").status_code, 401)
    check("everybody's route", Browser().get("/open").status_code, 200)
    check("another name of the site", Browser().get("/page", {**PAGE, "host": "other.test"}).status_code, 421)
    check("an end of nothing", Browser().get("/.bartizan/callback?code=x&state=" + "a" * 43).status_code, 403)
    check("nothing at all", Browser().get("/.bartizan/callback").status_code, 403)
    check("what is not there", Browser().get("/.bartizan/other").status_code, 404)
    for _ in range(6):
        browser.begin()
    true("log-ins that nobody finished do not pile up", len(browser.it.cookies) <= 5, len(browser.it.cookies))
    open_redirects()


def open_redirects():
    for path in ["//other.test/x", "/%2f/other.test", "/\\other.test", "/page?to=//other.test"]:
        browser = Browser()
        answer = browser.get(EDGE + path)
        if answer.status_code == 400:
            print("ok", path, "is no path", flush=True)
            continue
        back = browser.get(browser.sign_in(answer.headers["location"])).headers["location"]
        true(path + " stays here", back.startswith(EDGE + "/"), back)


def mixed_up():
    """Ends of log-ins that are not those that this browser began."""
    browser, other = Browser(), Browser()
    browser.log_in()
    browser.it.cookies.clear(domain="127.0.0.1", path="/", name=SESSION)
    back = browser.sign_in(browser.begin("/a"))
    theirs = other.get(back)
    check("another browser's", (theirs.status_code, theirs.headers["content-type"]), (403, "text/html; charset=utf-8"))
    true("a page with a reference", "Reference: <code>" in theirs.text and "script" not in theirs.text, theirs.text)
    policy = theirs.headers["content-security-policy"]
    true("on which nothing runs", policy.startswith("default-src 'none'"), policy)
    check("its session", other.cookie(), None)
    check("a state that was made up", browser.get(changed(back, state="b" * 43)).status_code, 403)
    check("no state", browser.get(changed(back, state=None)).status_code, 403)
    kept = browser.cookies()
    answer = raw({**PAGE, "cookie": kept}, back[len(EDGE):] + "&state=x")
    check("two states", answer.status_code, 403)
    check("another provider's answer", browser.get(changed(back, iss="https://evil.test")).status_code, 403)
    check("an answer of nobody", raw({**PAGE, "cookie": kept}, changed(back, iss=None)[len(EDGE):]).status_code, 403)
    check("a code that was made up", raw({**PAGE, "cookie": kept}, changed(back, code="c" * 43)[len(EDGE):]).status_code, 403)
    check("what the provider declined", raw({**PAGE, "cookie": kept}, changed(back, code=None, error="access_denied")[len(EDGE):]).status_code, 403)
    # Its own cookie, and the end of another tab's log-in, whose cookie is gone.
    first = browser.begin("/first")
    second = browser.begin("/second")
    back = browser.sign_in(second)
    swapped = changed(back, state=dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(first).query))["state"])
    check("another tab's code", browser.get(swapped).status_code, 403)
    answer = browser.get(browser.sign_in(browser.begin("/third")))
    check("each tab ends where it began", answer.headers["location"], EDGE + "/third")


def replayed():
    browser = Browser()
    back = browser.sign_in(browser.begin())
    kept = browser.cookies()
    check("a code", browser.get(back).status_code, 303)
    check("is in", browser.get("/page").status_code, 200)
    check("counts once in a browser", browser.get(back).status_code, 403)
    answer = raw({**PAGE, "cookie": kept}, back[len(EDGE):])
    check("and once for who kept the cookie", (answer.status_code, "set-cookie" in answer.headers and SESSION + "=" in answer.headers["set-cookie"]), (403, False))
    ends("what came of a code that was shown twice", browser)


def session():
    browser = Browser()
    fixed = Browser()
    fixed.log_in()
    theirs = fixed.cookie()
    browser.it.cookies.set(SESSION, "put-there-by-somebody", domain="127.0.0.1", path="/", secure=True)
    answer = browser.log_in("/page?x=1")
    check("back where it wanted", answer.headers["location"], EDGE + "/page?x=1")
    true("with a session that nobody knew", browser.cookie() not in (None, "put-there-by-somebody", theirs))
    seen = browser.get("/page?x=1")
    check("in", seen.status_code, 200)
    headers = seen.json()
    true("the program sees no cookie of ours, nor the server's", "__Host" not in headers.get("cookie", ""), headers)
    true("and no token of the outside", "authorization" not in headers, headers)
    check("nobody on the way keeps it", seen.headers["cache-control"], "private")
    browser.it.cookies.set("theirs", "1", domain="127.0.0.1", path="/", secure=True)
    check("its own it sees", browser.get("/page").json()["cookie"], "theirs=1")
    answer = browser.get("/set")
    check("and sets", answer.headers["set-cookie"], "own=1; Path=/")
    check("a fetch is in too", browser.get("/page", FETCH).status_code, 200)
    check("where a bearer alone counts", word(browser.get("/api/x", FETCH)), "token_missing")
    check("a scope that was not asked for", word(browser.get("/scope", FETCH)), "scope_missing")

    good = browser.cookie()
    bad = "A" if good[40] != "A" else "B"
    for what, cookies in {
        "cut short": f"{SESSION}={good[:-4]}",
        "changed": f"{SESSION}={good[:40]}{bad}{good[41:]}",
        "made up": f"{SESSION}=" + "A" * 200,
        "too long": f"{SESSION}=" + good * 8,
        "empty": f"{SESSION}=",
        "there twice": f"{SESSION}={good}; {SESSION}={good}",
        "of a log-in": f"{SESSION}={good[:10]}",
        "by another name": f"__Host-bartizan-login-abcdefgh={good}",
    }.items():
        answer = raw({**FETCH, "cookie": cookies})
        check("a cookie that is " + what, (answer.status_code, "location" in answer.headers), (401, False))
        check("leads a page to the provider", raw({**PAGE, "cookie": cookies}).status_code, 303)
    cross_site(browser)
    return browser


def cross_site(browser):
    for what, headers, status in [
        ("nothing", {}, 403),
        ("another site", {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}, 403),
        ("a page of nobody", {"origin": "null"}, 403),
        ("another port", {"origin": EDGE.rsplit(":", 1)[0]}, 403),
        ("a site of the same family", {"sec-fetch-site": "same-site"}, 403),
        ("here", {"origin": EDGE, "sec-fetch-site": "same-origin"}, 200),
        ("an older browser here", {"origin": EDGE}, 200),
    ]:
        answer = browser.post("/page", headers, "x=1")
        check("a form that says it comes from " + what, answer.status_code, status)
        if status == 403:
            true("has a reference", answer.json()["request_id"] and answer.json()["reason"] == "cross_site", answer.text)
    socket = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    for origin, status in [("https://evil.test", 403), (None, 403), (EDGE, 101)]:
        headers = {**socket, **({"origin": origin} if origin else {}), "cookie": f"{SESSION}={browser.cookie()}"}
        answer = requests.get(EDGE + "/socket", headers=headers, verify=CA, timeout=30, stream=True)
        check(f"a WebSocket from {origin}", answer.status_code, status)
        if status == 101:
            true("sets no cookie of ours", SESSION not in answer.headers.get("set-cookie", ""), answer.headers)
        answer.close()


def log_out(browser):
    stolen = browser.with_cookies(browser.cookies())
    check("a copy is as good", raw(stolen).status_code, 200)
    page = browser.get("/.bartizan/logout")
    true("a link asks first", page.status_code == 200 and '<form method="post" action="/.bartizan/logout">' in page.text, page.text)
    check("still in", browser.get("/page").status_code, 200)
    evil = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}
    check("another site logs nobody out", browser.post("/.bartizan/logout", evil).status_code, 403)
    check("still in", browser.get("/page").status_code, 200)
    answer = browser.post("/.bartizan/logout", {"origin": EDGE, "sec-fetch-site": "same-origin"})
    check("logged out", answer.status_code, 303)
    true("at the provider too", "/logout?" in answer.headers["location"] and not answer.headers["location"].startswith(EDGE), answer.headers)
    check("its cookie", browser.cookie(), None)
    thief = Browser()
    thief.it.headers["cookie"] = stolen["cookie"]
    ends("a copy of the cookie", thief, 2.0)
    last = browser.follow(answer)
    check("and back, without a question", (last.url, last.status_code), (EDGE + "/.bartizan/logged-out", 200))
    true("a page", "You are logged out." in last.text, last.text)
    at = browser.get(browser.begin())
    while at.status_code == 303:
        at = browser.get(urllib.parse.urljoin(at.url, at.headers["location"]))
    true("and has to sign in anew", 'name="password"' in at.text, at.text)
    check("whoever is not in is out", browser.post("/.bartizan/logout", {"origin": EDGE}).status_code, 303)


def everywhere():
    devices = [Browser(), Browser(), Browser()]
    for device in devices:
        device.log_in()
        check("in", device.get("/page").status_code, 200)
    done("sign out everywhere")
    for device in devices:
        ends("a session on a device", device, 2.0)
    device = devices[0]
    device.it.cookies.clear()
    device.log_in()
    check("in again", device.get("/page").status_code, 200)
    done("control away")
    check("a session goes on without control", device.get("/page").status_code, 200)
    done("control back")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        again = Browser()
        answer = again.get("/page")
        try:
            if answer.status_code == 303 and again.get(answer.headers["location"]).status_code in (200, 303):
                break
        except requests.exceptions.ConnectionError:
            pass  # the server is not there yet
        time.sleep(0.2)
    check("the session of before counts", device.get("/page").status_code, 200)
    answer = again.get(again.sign_in(again.begin()))
    check("others log in", answer.status_code, 303)
    done("disable")
    for gone in (device, again):
        ends("a session of somebody who may not", gone, 2.0)


strangers()
mixed_up()
replayed()
browser = session()
log_out(browser)
everywhere()

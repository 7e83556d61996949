"""A browser that logs in at a gateway by a provider that others wrote; with what login.py has.

Usage: login_elsewhere.py EDGE CA ISSUER. Prints what to do next, with `?`, and goes on after a line on standard input.
"""

import html
import re
import sys
import urllib.parse

EDGE, CA, ISSUER = sys.argv[1:4]
from login_browser import Browser, FETCH, PAGE, changed, check, done, ends, raw, true


def forms(text):
    action = re.search(r'<form[^>]*action="([^"]*)"', text)
    fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]*)"[^>]*value="([^"]*)"', text))
    return html.unescape(action[1]), {name: html.unescape(value) for name, value in fields.items()}


def sign_in(browser, at):
    """At the provider, up to where it sends the browser back to."""
    answer = browser.get(at)
    for _ in range(20):
        to = answer.headers.get("location")
        if to and urllib.parse.urljoin(answer.url, to).startswith(EDGE):
            return urllib.parse.urljoin(answer.url, to)
        if to:
            answer = browser.get(urllib.parse.urljoin(answer.url, to))
            continue
        action, fields = forms(answer.text)
        answer = browser.post(urllib.parse.urljoin(answer.url, action), {"origin": ISSUER}, {**fields, "login": "ana", "password": "x"})
    sys.exit(f"the provider does not send back: {answer.url} {answer.text}")


def log_in(path="/page"):
    browser = Browser()
    back = sign_in(browser, browser.begin(path))
    answer = browser.get(back)
    check("logged in", (answer.status_code, answer.headers.get("location")), (303, EDGE + path))
    return browser, back


browser, back = log_in()
check("in", browser.get("/page").status_code, 200)
check("no auditor", browser.get("/audit", FETCH).status_code, 403)
check("somebody else's code", Browser().get(back).status_code, 403)
true("a provider that does not answer as itself", "iss=" in back, back)
other = Browser()
mixed = changed(sign_in(other, other.begin()), iss="https://evil.test")
check("is not heard", other.get(mixed).status_code, 403)

done("other groups")
answer = None
for _ in range(300):
    answer = browser.get("/audit", FETCH)
    if answer.status_code == 200:
        break
    __import__("time").sleep(0.1)
check("what is said of somebody is renewed", answer.status_code, 200)

second, _ = log_in()
done("provider away")
for _ in range(80):
    check("a session goes on while the provider is away", browser.get("/page", FETCH).status_code, 200)
    __import__("time").sleep(0.1)
done("provider back")

# Logs out at the provider itself: its back-channel tells the gateway.
third, _ = log_in()
copy = {**FETCH, "cookie": third.cookies()}
check("in", raw(copy).status_code, 200)
answer = third.get(ISSUER + "/session/end")
action, fields = forms(answer.text)
third.post(urllib.parse.urljoin(ISSUER, action), {"origin": ISSUER}, {**fields, "logout": "yes"})
thief = Browser()
thief.it.headers["cookie"] = copy["cookie"]
ends("a session that the provider ended", thief, 5.0)

# Logs out here, and at the provider by that.
fourth, _ = log_in()
answer = fourth.post("/.bartizan/logout", {"origin": EDGE, "sec-fetch-site": "same-origin"})
to = answer.headers["location"]
true("goes on to the provider", to.startswith(ISSUER + "/session/end?") and "id_token_hint=" in to, to)
page = fourth.get(to)
action, fields = forms(page.text)
answer = fourth.post(urllib.parse.urljoin(ISSUER, action), {"origin": ISSUER}, {**fields, "logout": "yes"})
last = fourth.follow(answer)
check("and comes back", (last.url.split("?")[0], last.status_code), (EDGE + "/.bartizan/logged-out", 200))

for what, body in [
    ("nothing", {}),
    ("no token", {"logout_token": "x"}),
    ("an unsigned one", {"logout_token": "eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9.e30."}),
    ("too much", {"logout_token": "x" * 20000}),
]:
    check("a back-channel with " + what, Browser().post("/.bartizan/back-channel-logout", {}, body).status_code, 400)

fifth, _ = log_in()
done("forget")
ends("a session that the provider does not renew", fifth, 40.0)

"""A browser with a cookie jar, an authenticator app and a passkey, written with nothing of ours: signs in at ORIGIN.

Usage: people.py ORIGIN CA LINK STATE, or people.py ORIGIN CA ended STATE, which looks that the session of before counts no more.
STATE is a file for the cookies. Fails with the first thing that is not as it should be.
"""

import base64
import hashlib
import hmac
import http.cookiejar
import html.parser
import ssl
import struct
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from soft_webauthn import SoftWebauthnDevice

ORIGIN, CA, LINK, STATE = sys.argv[1:5]
PASSWORD = "four words of a horse"


class Forms(html.parser.HTMLParser):
    """The forms of a page, by where they go: fields, and data for a script."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.now = {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.now = {"fields": {}, "data": {name: value for name, value in attrs.items() if name.startswith("data-")}}
            self.forms.setdefault(attrs["action"], []).append(self.now)
        elif tag == "input" and self.now is not None:
            self.now["fields"][attrs["name"]] = attrs.get("value", "")

    def handle_endtag(self, tag):
        if tag == "form":
            self.now = None


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Browser:
    def __init__(self, state=None):
        self.jar = http.cookiejar.LWPCookieJar(state)
        tls = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=CA))
        self.opener = urllib.request.build_opener(tls, urllib.request.HTTPCookieProcessor(self.jar), NoRedirect())

    def send(self, path, body=None, headers=None):
        request = urllib.request.Request(ORIGIN + path, data=body, headers=headers or {})
        try:
            answer = self.opener.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        if answer.status == 429:
            # Pages are limited by the second, and no person is as fast as this.
            time.sleep(1)
            return self.send(path, body, headers)
        return answer.status, answer.headers.get("location"), answer.read().decode()

    def get(self, path):
        return self.send(path)

    def post(self, path, page, n=0, origin=ORIGIN, **more):
        form = Forms(page).forms[path][n]
        fields = {**form["fields"], **more}
        headers = {"origin": origin, "sec-fetch-site": "same-origin" if origin == ORIGIN else "cross-site"}
        return self.send(path, urllib.parse.urlencode(fields).encode(), headers)

    def sign_in(self, name="ana", password=PASSWORD, **more):
        _, _, page = self.get("/sign-in")
        return self.post("/sign-in", page, name=name, password=password, **more)


def check(what, seen, wanted):
    if seen != wanted:
        sys.exit(f"{what}: {seen!r}, wanted {wanted!r}")
    print("ok", what)


def code(secret, later=0):
    """RFC 6238."""
    mac = hmac.new(secret, struct.pack(">Q", int(time.time()) // 30 + later), "sha1").digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7FFFFFFF) % 1000000:06}"


def url64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def raw(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def ended():
    browser = Browser(STATE)
    browser.jar.load(ignore_discard=True)
    status, to, _ = browser.get("/account")
    check("the session has ended", (status, to.split("?")[0]), (303, "/sign-in"))


def create(device, page):
    data = Forms(page).forms["/account/passkeys"][0]["data"]
    options = {
        "challenge": raw(data["data-challenge"]),
        "rp": {"id": data["data-rp"], "name": data["data-name"]},
        "user": {"id": raw(data["data-user"]), "name": data["data-account"]},
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
        "attestation": "none",
    }
    made = device.create({"publicKey": options}, ORIGIN)["response"]
    return {"client_data": url64(made["clientDataJSON"]), "attestation": url64(made["attestationObject"])}


def assertion(device, page, path, origin=ORIGIN, verified=False):
    data = Forms(page).forms[path][0]["data"]
    options = {"challenge": raw(data["data-challenge"]), "rpId": data["data-rp"]}
    made = device.get({"publicKey": options}, origin)
    said = made["response"]
    auth_data, signature = said["authenticatorData"], said["signature"]
    if verified:
        # That program never says that it knows who is there; this is the same with a finger on it.
        auth_data = auth_data[:32] + bytes([auth_data[32] | 4]) + auth_data[33:]
        signed = auth_data + hashlib.sha256(said["clientDataJSON"]).digest()
        signature = device.private_key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return {
        "id": url64(made["rawId"]),
        "user": url64(said["userHandle"]),
        "client_data": url64(said["clientDataJSON"]),
        "auth_data": url64(auth_data),
        "signature": url64(signature),
    }


def main():
    link = LINK.removeprefix(ORIGIN)
    browser = Browser(STATE)

    # A link sets a password, once.
    check("a password before there is one", browser.sign_in()[0], 403)
    page = browser.get(link)[2]
    check("a common password", browser.post("/welcome", page, password="Password1234!", again="Password1234!")[0], 422)
    check("a password", browser.post("/welcome", page, password=PASSWORD, again=PASSWORD)[:2], (303, "/sign-in"))
    check("the link again", browser.get(link)[0], 404)

    # Who is refused.
    check("another password", browser.sign_in(password="another password")[0], 403)
    check("a name that nobody has", browser.sign_in(name="nobody")[0], 403)
    check("a form of another site", browser.sign_in(origin="https://evil.test")[0], 403)
    check("a way that leads out", browser.get("/sign-in?way=https%3A%2F%2Fevil.test")[0], 400)
    check("nobody is signed in", browser.get("/account")[0], 303)

    # A session, and an app for codes.
    check("signed in", browser.sign_in()[:2], (303, "/account"))
    page = browser.get("/account/code")[2]
    text = page.split("Secret: <code>")[1].split("<")[0].replace(" ", "")
    secret = base64.b32decode(text + "=" * (-len(text) % 8))
    check("a wrong code", browser.post("/account/code", page, code="000000")[0], 422)
    status, _, page = browser.post("/account/code", page, code=code(secret))
    recovery = [part.split("<")[0] for part in page.split("<li><code>")[1:]]
    check("recovery codes", (status, len(recovery)), (200, 10))

    other = Browser()
    check("the password is not enough any more", other.sign_in()[:2], (303, "/second-factor"))
    check("nobody is signed in by it", other.get("/account")[1].split("?")[0], "/sign-in")
    page = other.get("/second-factor")[2]
    check("the code that was shown already", other.post("/second-factor", page, code=code(secret))[0], 403)
    check("the next code", other.post("/second-factor", page, code=code(secret, 1))[:2], (303, "/account"))
    third = Browser()
    third.sign_in()
    page = third.get("/second-factor")[2]
    check("the same code again", third.post("/second-factor", page, code=code(secret, 1))[0], 403)
    check("a recovery code", third.post("/second-factor", page, code=recovery[0])[:2], (303, "/account"))

    # A passkey, as a program of others makes it.
    device = SoftWebauthnDevice()
    page = browser.get("/account/passkeys")[2]
    made = create(device, page)
    check("a passkey", browser.post("/account/passkeys", page, label="soft", **made)[:2], (303, "/account/passkeys"))
    page = browser.get("/account/passkeys")[2]
    check("the same answer again", browser.post("/account/passkeys", page, label="soft", **made)[0], 422)

    fourth = Browser()
    page = fourth.get("/sign-in")[2]
    check("a passkey without its person", fourth.post("/passkey", page, **assertion(device, page, "/passkey"))[0], 403)
    page = fourth.get("/sign-in")[2]
    shown = assertion(device, page, "/passkey", origin="https://evil.test", verified=True)
    check("a passkey that a phisher passed on", fourth.post("/passkey", page, **shown)[0], 403)
    page = fourth.get("/sign-in")[2]
    shown = assertion(device, page, "/passkey", verified=True)
    check("a passkey alone", fourth.post("/passkey", page, **shown)[:2], (303, "/account"))
    fifth = Browser()
    fifth.sign_in()
    page = fifth.get("/second-factor")[2]
    shown = assertion(device, page, "/second-factor/passkey")
    check("a passkey after the password", fifth.post("/second-factor/passkey", page, **shown)[:2], (303, "/account"))

    # Signing out, one and all.
    page = fifth.get("/account")[2]
    check("signed out", fifth.post("/sign-out", page)[:2], (303, "/sign-in"))
    check("and is", fifth.get("/account")[0], 303)
    page = fourth.get("/account")[2]
    check("signed out everywhere", fourth.post("/account/sign-out-everywhere", page)[:2], (303, "/sign-in"))
    check("all are", [it.get("/account")[0] for it in (browser, other, third)], [303, 303, 303])

    page = browser.get("/sign-in")[2]
    shown = assertion(device, page, "/passkey", verified=True)
    check("signed in again", browser.post("/passkey", page, **shown)[:2], (303, "/account"))
    check("the account", browser.get("/account")[0], 200)
    browser.jar.save(ignore_discard=True)


if LINK == "ended":
    ended()
else:
    main()

"""Authlib as an app with tokens that are bound to nothing: code with PKCE, ID token, userinfo, refresh, revocation."""

import json
import os
import re
import urllib.parse

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oidc.core import CodeIDToken

ISSUER = os.environ["ISSUER"]
CA = os.environ["CA"]
BACK = "https://house.own.test/back"


def browse(url):
    """Signs in and allows on the way; the address outside that the browser is sent to."""
    browser = requests.Session()
    browser.verify, browser.trust_env = CA, False  # else a bundle that the environment names counts more
    said = browser.get(url, allow_redirects=False)
    for _ in range(16):
        to = said.headers.get("location")
        if to:
            to = urllib.parse.urljoin(said.url, to)
            if not to.startswith(ISSUER + "/"):
                return to
            said = browser.get(to, allow_redirects=False)
            continue
        # Of the first form on the page; the one for passkeys comes behind it.
        form = dict(reversed(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', said.text)))
        assert 'name="password"' in said.text, said.text
        form.update(name=os.environ["PERSON"], password=os.environ["PASSWORD"])
        headers = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"}
        said = browser.post(ISSUER + "/sign-in", data=form, headers=headers, allow_redirects=False)
    raise AssertionError("it goes round")


def main():
    server = requests.get(ISSUER + "/.well-known/openid-configuration", verify=CA).json()
    app = OAuth2Session(
        "house",
        redirect_uri=BACK,
        scope="openid profile web:read",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
        revocation_endpoint_auth_method="none",
    )
    app.verify, app.trust_env = CA, False
    verifier, nonce = generate_token(64), generate_token(20)
    url, _state = app.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    back = browse(url)
    token = app.fetch_token(server["token_endpoint"], authorization_response=back, code_verifier=verifier)
    assert token["token_type"] == "Bearer", token
    keys = JsonWebKey.import_key_set(requests.get(server["jwks_uri"], verify=CA).json())
    options = {"iss": {"value": ISSUER}, "aud": {"value": "house"}}
    params = {"nonce": nonce, "client_id": "house", "access_token": token["access_token"]}
    claims = JsonWebToken(["ES256"]).decode(
        token["id_token"], keys, claims_cls=CodeIDToken, claims_options=options, claims_params=params
    )
    claims.validate()
    who = app.get(server["userinfo_endpoint"]).json()
    assert who["sub"] == claims["sub"] and who["name"], who

    refreshed = app.refresh_token(server["token_endpoint"], refresh_token=token["refresh_token"])
    assert refreshed["refresh_token"] != token["refresh_token"]
    access = refreshed["access_token"]
    print(json.dumps({"judge": "authlib", "sub": claims["sub"], "access_token": access}), flush=True)
    input()  # until the test has shown the token at the gateway
    gone = app.revoke_token(server["revocation_endpoint"], token=refreshed["refresh_token"])
    assert gone.status_code == 200, gone.text
    try:
        app.refresh_token(server["token_endpoint"], refresh_token=refreshed["refresh_token"])
    except OAuthError as error:
        assert error.error == "invalid_grant", error
    else:
        raise AssertionError("a revoked refresh token was taken")
    print(json.dumps({"judge": "authlib", "revoked": True}), flush=True)


main()

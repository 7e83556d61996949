"""Sends a signed event as its senders do, by libraries that nobody here wrote.

Standard input: a JSON object with `url`, `connect` (host and port that are dialled), `ca`, `scheme`, `secret` or `key` (a PEM file) and
`kid`, `id`, `at` (seconds since 1970), `body`, and what is changed after it was signed: `sent` (another body), `fields` (further fields).
Standard output: `{"status": …, "request": …, "body": …}`.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import ssl
import sys
from urllib.parse import urlsplit


def standard(said):
    from standardwebhooks import Webhook

    at = datetime.datetime.fromtimestamp(said["at"], datetime.timezone.utc)
    signature = Webhook(said["secret"]).sign(said["id"], at, said["body"])
    return {"webhook-id": said["id"], "webhook-timestamp": str(said["at"]), "webhook-signature": signature}


def tag(said, text):
    return hmac.new(said["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()


def github(said):
    return {"x-hub-signature-256": "sha256=" + tag(said, said["body"])}


def stripe(said):
    at = said["at"]
    return {"stripe-signature": "t={},v1={}".format(at, tag(said, "{}.{}".format(at, said["body"])))}


def slack(said):
    signature = "v0=" + tag(said, "v0:{}:{}".format(said["at"], said["body"]))
    return {"x-slack-request-timestamp": str(said["at"]), "x-slack-signature": signature}


def signatures(said):
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

    with open(said["key"], "rb") as file:
        key = load_pem_private_key(file.read(), None)

    class Keys(HTTPSignatureKeyResolver):
        def resolve_private_key(self, key_id):
            return key

        def resolve_public_key(self, key_id):
            return key.public_key()

    class Request:
        method, url, headers = "POST", said["url"], {}

    is_ed = isinstance(key, ed25519.Ed25519PrivateKey)
    algorithm = algorithms.ED25519 if is_ed else algorithms.ECDSA_P256_SHA256
    signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=Keys())
    signer.sign(
        Request,
        key_id=said["kid"],
        created=datetime.datetime.fromtimestamp(said["at"], datetime.timezone.utc),
        nonce=said["id"],
        covered_component_ids=("@method", "@target-uri", "content-digest"),
        body=said["body"].encode(),
    )
    return dict(Request.headers)


SCHEMES = {"standard": standard, "github": github, "stripe": stripe, "slack": slack, "http-signatures": signatures}


def main():
    said = json.load(sys.stdin)
    url = urlsplit(said["url"])
    fields = [("host", url.netloc), ("content-type", "application/json")]
    if said["scheme"] in SCHEMES:
        fields += SCHEMES[said["scheme"]](said).items()
    fields += [tuple(field) for field in said.get("fields", [])]
    body = said.get("sent", said["body"]).encode()
    connection = http.client.HTTPSConnection(said["connect"], context=ssl.create_default_context(cafile=said["ca"]), timeout=20)
    connection.putrequest("POST", url.path + (f"?{url.query}" if url.query else ""), skip_host=True)
    for name, value in fields:
        connection.putheader(name, value)
    connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    print(json.dumps({"status": answer.status, "request": answer.getheader("x-request-id"), "body": text}))


main()

"""Sends bytes over TLS and says what became of it: one line of JSON for each case of the list on standard input.

A case: {"port", "roots", "name", "certificate", "key", "text", "tls12", "plain", "pieces"}; all but the port and the text may be left out.
The answer: "taken" where the other end listened on, else what it said.
"""

import json
import socket
import ssl
import sys


def connected(case):
    raw = socket.create_connection(("127.0.0.1", case["port"]), timeout=10)
    if case.get("plain"):
        return raw
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(case["roots"])
    if case.get("certificate"):
        context.load_cert_chain(case["certificate"], case["key"])
    if case.get("tls12"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context.wrap_socket(raw, server_hostname=case.get("name", "localhost"))


def outcome(case):
    try:
        stream = connected(case)
        text = case["text"].encode()
        step = case.get("pieces", len(text))
        for at in range(0, len(text), step):
            stream.sendall(text[at : at + step])
        # Nobody answers syslog: an end or an alert is a refusal. Longer than any refusal takes, and it is waited for only here.
        stream.settimeout(case.get("patience", 2))
        said = stream.recv(1)
        return f"ended: {said!r}"
    except TimeoutError:
        return "taken"
    except (OSError, ssl.SSLError) as error:
        return f"{type(error).__name__}: {error}"


for case in json.load(sys.stdin):
    print(json.dumps(outcome(case)), flush=True)

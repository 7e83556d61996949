"""Floods the token endpoint, by a client with a certificate and by strangers at addresses of their own, while another client asks as it
always does. Arguments: port, roots, folder of who floods, folder of who asks, seconds. Prints what came of it, as JSON."""

import http.client
import json
import multiprocessing
import ssl
import sys
import time

PORT, CA, FLOODER, STEADY, SECONDS = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5])
FORM = {"content-type": "application/x-www-form-urlencoded"}


def connect(folder, source):
    context = ssl.create_default_context(cafile=CA)
    if folder:
        context.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    return http.client.HTTPSConnection("127.0.0.1", PORT, context=context, source_address=(source, 0), timeout=20)


def ask(connection, client):
    connection.request("POST", "/token", f"grant_type=client_credentials&client_id={client}", FORM)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def flood(folder, source, until, counts):
    connection = connect(folder, source)
    while time.monotonic() < until:
        status = ask(connection, "relay")
        with counts.get_lock():
            counts[0] += 1
            counts[1] += status == 429


def main():
    counts = multiprocessing.Array("l", 2)
    until = time.monotonic() + SECONDS
    who = [(FLOODER, "127.0.0.1")] * 3 + [(None, "127.0.0.2"), (None, "127.0.0.3"), (None, "127.0.0.4")]
    floods = [multiprocessing.Process(target=flood, args=(*it, until, counts)) for it in who]
    for it in floods:
        it.start()
    connection, asked, got = connect(STEADY, "127.0.0.1"), 0, 0
    while time.monotonic() < until:
        began = time.monotonic()
        asked += 1
        got += ask(connection, "report") == 200 and time.monotonic() - began < 2
        time.sleep(max(0, 0.05 - (time.monotonic() - began)))
    for it in floods:
        it.join()
    print(json.dumps({"flood": counts[0], "refused": counts[1], "asked": asked, "got": got}))


main()

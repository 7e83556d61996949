"""Receivers over HTTPS, each on a port of its own, until it is killed: takes what is posted and puts it into files.

In the variable RECEIVERS a list of {"name", "port", "certificate", "key", "clients", "tls12", "plain"}; `clients` are the roots of the certificates
that have to be shown. Bodies go to FOLDER/NAME-NUMBER.body, complete once they have that name, each with its head as FOLDER/NAME-NUMBER.head.
usage: receiver.py FOLDER
"""

import http.server
import json
import os
import ssl
import sys
import threading

folder = sys.argv[1]


def handler(name):
    count = [0]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            number, count[0] = count[0], count[0] + 1
            stem = os.path.join(folder, f"{name}-{number:04}")
            shown = self.connection.getpeercert() if hasattr(self.connection, "getpeercert") else None
            head = {"path": self.path, "fields": {key.lower(): value for key, value in self.headers.items()}, "shown": bool(shown)}
            with open(stem + ".head", "w") as file:
                json.dump(head, file)
            with open(stem + ".part", "wb") as file:
                file.write(body)
            os.rename(stem + ".part", stem + ".body")
            answer = b""
            if self.path.endswith("/_bulk"):
                actions = len([line for line in body.split(b"\n") if line]) // 2
                answer = json.dumps({"errors": False, "items": [{"create": {"status": 201}}] * actions}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    return Handler


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # who does not believe us goes away in the middle


def serve(case):
    server = Server(("127.0.0.1", case["port"]), handler(case["name"]))
    if not case.get("plain"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(case["certificate"], case["key"])
        if case.get("tls12"):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if case.get("clients"):
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(case["clients"])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


for it in json.loads(os.environ["RECEIVERS"]):
    serve(it)
threading.Event().wait()

"""users: who banks here. Python, standard library only; one SQLite file.

POST /users {"name": ..., "email": ...}   makes a user (email may be left out); under an `idempotency-key`, only once
GET  /users/{id}
GET  /health

Run: python3 users.py --listen 127.0.0.1:7101 --data FOLDER
"""

import argparse
import json
import pathlib
import re
import signal
import sqlite3
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_BYTES_MAX = 64 << 10  # as in the bank's other services
TEXT_MAX = 200  # characters in a name or an address
IDLE_S = 60  # how long a connection may be silent
CHUNK_LINE_MAX = 128  # bytes in the line that gives a chunk's length

SCHEMA = """
create table if not exists users (id text primary key, name text not null, email text);
create table if not exists keys (key text primary key, body text not null, id text not null references users);
"""


class Refusal(Exception):
    """An answer other than the one hoped for."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


class Users:
    """The users, on disk. SQLite's own journal makes every change all or nothing."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        # One connection for all threads, one at a time: SQLite has one writer anyway.
        self.lock = threading.Lock()
        self.db = sqlite3.connect(folder / "users.sqlite", check_same_thread=False)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = full")  # a commit is on the disk when it returns
        self.db.executescript(SCHEMA)

    def add(self, user, key):
        body = json.dumps(user, sort_keys=True)
        with self.lock, self.db:  # `with self.db` is one transaction
            before = key and self.db.execute("select body, id from keys where key = ?", (key,)).fetchone()
            if before:
                if before[0] != body:
                    raise Refusal(409, "key_reused", "this key was used before, for something else")
                return {"id": before[1], **user}
            made = {"id": f"usr-{uuid.uuid4()}", **user}
            self.db.execute("insert into users values (:id, :name, :email)", made)
            if key:
                self.db.execute("insert into keys values (?, ?, ?)", (key, body, made["id"]))
        return made

    def find(self, user_id):
        with self.lock:
            row = self.db.execute("select id, name, email from users where id = ?", (user_id,)).fetchone()
        if not row:
            raise Refusal(404, "unknown_user", "nobody has this id")
        return dict(zip(("id", "name", "email"), row))


def checked_user(body):
    try:
        user = json.loads(body)
    except ValueError as error:  # also when it is not UTF-8
        raise Refusal(400, "bad_request", str(error)) from None
    if not isinstance(user, dict) or not set(user) <= {"name", "email"}:
        raise Refusal(400, "bad_request", "give an object with `name` and, if you like, `email`")
    texts = [user.get("name"), user.get("email", "")]
    if not all(isinstance(text, str) and len(text) <= TEXT_MAX for text in texts) or not user["name"].strip():
        raise Refusal(400, "bad_request", f"`name` and `email` are texts of up to {TEXT_MAX} characters")
    return {"name": user["name"], "email": user.get("email")}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    timeout = IDLE_S
    wbufsize = -1  # head and body of an answer leave together
    disable_nagle_algorithm = True
    users = None  # set in main

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        try:
            body = self.read_body()  # always, or its bytes would be read as the next request
            status, answer = self.route(body)
        except Refusal as refusal:
            status, answer = refusal.status, {"error": refusal.code, "message": str(refusal)}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def route(self, body):
        path = self.path.split("?")[0].rstrip("/")
        found = re.fullmatch(r"/users/([a-z0-9-]{1,40})", path)
        if self.command == "GET" and path == "/health":
            return 200, {"ok": True}
        if self.command == "GET" and found:
            return 200, self.users.find(found[1])
        if self.command == "POST" and path == "/users":
            return 201, self.users.add(checked_user(body), self.headers.get("idempotency-key"))
        raise Refusal(404, "no_such_path", "there is nothing under this method and path")

    def read_body(self):
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length", "0")
        if coding and coding.strip().lower() == "chunked" and "content-length" not in self.headers:
            return self.read_chunks()
        if coding or not re.fullmatch(r"[0-9]{1,9}", length):
            self.stop(400, "bad_request", "the length of the body is not clear")
        if int(length) > BODY_BYTES_MAX:
            self.stop(413, "body_too_large", f"a body has up to {BODY_BYTES_MAX} bytes")
        return self.read_exactly(int(length))

    def read_chunks(self):
        body = b""
        while True:
            line = self.rfile.readline(CHUNK_LINE_MAX).split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", line):
                self.stop(400, "bad_request", "a chunk has no length")
            length = int(line, 16)
            if len(body) + length > BODY_BYTES_MAX:
                self.stop(413, "body_too_large", f"a body has up to {BODY_BYTES_MAX} bytes")
            body += self.read_exactly(length)
            if self.read_exactly(2) != b"\r\n":
                self.stop(400, "bad_request", "a chunk does not end where it said, or trailers follow")
            if length == 0:
                return body

    def read_exactly(self, length):
        data = self.rfile.read(length)
        if len(data) < length:
            self.stop(400, "bad_request", "the body is cut off")
        return data

    def stop(self, status, code, message):
        """Refuses, and gives up the connection: nobody knows where the next request on it would begin."""
        self.close_connection = True
        raise Refusal(status, code, message)

    def log_message(self, *_):
        pass  # a line per request is somebody else's work


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def main():
    arguments = argparse.ArgumentParser(description="who banks here")
    arguments.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    arguments.add_argument("--data", required=True, type=pathlib.Path, metavar="FOLDER")
    given = arguments.parse_args()
    Handler.users = Users(given.data)
    host, _, port = given.listen.rpartition(":")
    server = Server((host, int(port)), Handler)
    # `shutdown` waits for `serve_forever`, which runs in this thread: hence another one.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on http://{host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()

"""Partners outside the fleet, each with a TLS server of its own, that believe tokens by the fleet's published keys alone.

    partner.py FOLDER BUNDLE_URL NAME=ADDRESS...

Tokens are judged by PyJWT. FOLDER/NAME.heard gets a line for each request: status, subject or reason; FOLDER/NAME.seen the tokens, as a
partner could keep them that means no good.
"""
import http.server, json, ssl, sys, threading, urllib.request
import jwt

folder, bundle_url, partners = sys.argv[1], sys.argv[2], sys.argv[3:]
web = ssl.create_default_context(cafile=folder + '/ca.pem')


def key(kid):
    with urllib.request.urlopen(bundle_url, timeout=10, context=web) as answer:
        keys = json.load(answer)['keys']
    for one in keys:
        if one.get('use') == 'jwt-svid' and one.get('kid') == kid:
            return jwt.PyJWK(one, algorithm='ES256')
    raise jwt.InvalidTokenError('no such key')


def partner(name, address):
    log, seen = open(f'{folder}/{name}.heard', 'a', buffering=1), open(f'{folder}/{name}.seen', 'a', buffering=1)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def judged(self):
            said = self.headers.get_all('authorization') or []
            if len(said) != 1 or not said[0].startswith('Bearer '):
                return 401, f'{len(said)} credentials of that kind'
            token = said[0].removeprefix('Bearer ')
            try:
                kid = jwt.get_unverified_header(token).get('kid')
                claims = jwt.decode(token, key(kid), algorithms=['ES256'], audience=f'https://{name}',
                                    options={'require': ['exp', 'iat', 'sub', 'aud']})
            except jwt.PyJWTError as error:
                return 401, type(error).__name__
            seen.write(token + '\n')
            return 200, f"{claims['sub']} for {claims['exp'] - claims['iat']} s"

        def do_GET(self):
            status, word = self.judged()
            log.write(f'{status} {word} {self.path}\n')
            body = f'{status} {word}\n'.encode()
            self.send_response(status)
            self.send_header('content-length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + '/cert.pem', folder + '/key.pem')
    server = http.server.ThreadingHTTPServer((address, 443), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


for one in partners:
    partner(*one.split('='))
open(folder + '/open', 'w').write('yes')
threading.Event().wait()

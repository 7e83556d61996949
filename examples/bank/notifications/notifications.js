// notifications: tells people what happened to their account. Node.js without packages; one append-only file.
//
// POST /notifications {"id", "from", "to", "cents"}   takes a payment, for both its accounts; the same id only once
// GET  /notifications/{account}                       the newest of an account
// GET  /notifications                                 how many there are
// GET  /health
//
// Run: node notifications.js --listen 127.0.0.1:7105 --data FOLDER

'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { parseArgs } = require('node:util');

const BODY_BYTES_MAX = 64 << 10; // as in the bank's other services
const NEWEST_MAX = 20; // notifications kept in memory for each account, a count
const IDLE_MS = 65_000; // how long a connection may be silent; callers close theirs earlier

class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** The notifications, on disk. Lines that wait while the disk is busy are written together, with one fsync. */
class Notifications {
  constructor(folder) {
    fs.mkdirSync(folder, { recursive: true });
    const file = path.join(folder, 'notifications.ndjson');
    this.seen = new Map(); // id -> the line it was taken with
    this.newest = new Map(); // account -> its newest
    this.written = Promise.resolve();
    this.waiting = [];
    this.handle = fs.openSync(file, 'a+');
    this.replay(fs.readFileSync(file));
  }

  replay(bytes) {
    // A line that a crash cut short was never confirmed: it is dropped, and comes again.
    const whole = bytes.lastIndexOf(0x0a) + 1;
    for (const line of bytes.subarray(0, whole).toString().split('\n')) {
      if (line) this.remember(JSON.parse(line), line);
    }
    if (whole < bytes.length) fs.ftruncateSync(this.handle, whole);
  }

  remember(taken, line) {
    this.seen.set(taken.id, line);
    for (const account of [taken.from, taken.to]) {
      const newest = this.newest.get(account) ?? [];
      newest.unshift(taken);
      newest.length = Math.min(newest.length, NEWEST_MAX);
      this.newest.set(account, newest);
    }
  }

  /** Resolves when it is on the disk, also for one that came before and may still be on its way there. */
  take(given) {
    const line = JSON.stringify(given);
    const before = this.seen.get(given.id);
    if (before !== undefined && before !== line) {
      throw new Refusal(409, 'key_reused', 'this id was used before, for something else');
    }
    if (before === undefined) {
      this.remember(given, line);
      this.waiting.push(line);
      if (this.waiting.length === 1) this.written = this.written.then(() => this.write());
    }
    return this.written;
  }

  write() {
    const text = this.waiting.join('\n') + '\n';
    this.waiting = [];
    return new Promise((resolve) => {
      const stopOr = (next) => (error) => {
        if (!error) return next();
        // After a failed write nobody knows what the disk holds. The next start reads what it does hold.
        console.error(`cannot write notifications: ${error.message}`);
        process.exit(1);
      };
      fs.appendFile(this.handle, text, stopOr(() => fs.fdatasync(this.handle, stopOr(resolve))));
    });
  }
}

function checked(body) {
  let given;
  try {
    given = JSON.parse(body);
  } catch (error) {
    throw new Refusal(400, 'bad_request', error.message);
  }
  const { id, from, to, cents } = given ?? {};
  const texts = [id, from, to].every((text) => typeof text === 'string' && /^[a-z0-9-]{1,40}$/.test(text));
  if (!texts || !Number.isSafeInteger(cents) || cents < 1) {
    throw new Refusal(400, 'bad_request', 'give `id`, `from`, `to` and `cents`');
  }
  return { id, from, to, cents };
}

function read(request) {
  return new Promise((resolve, reject) => {
    const parts = [];
    let length = 0;
    request.on('data', (part) => {
      length += part.length;
      if (length <= BODY_BYTES_MAX) parts.push(part);
    });
    request.on('end', () => {
      if (length <= BODY_BYTES_MAX) resolve(Buffer.concat(parts).toString());
      else reject(new Refusal(413, 'body_too_large', `a body has up to ${BODY_BYTES_MAX} bytes`));
    });
    request.on('error', reject);
  });
}

async function route(notifications, request) {
  const body = await read(request);
  const [, first, account, more] = request.url.split('?')[0].split('/');
  if (request.method === 'POST' && first === 'notifications' && account === undefined) {
    const given = checked(body);
    await notifications.take(given);
    return [201, { id: given.id }];
  }
  if (request.method === 'GET' && first === 'notifications' && account && more === undefined) {
    return [200, { account, newest: notifications.newest.get(account) ?? [] }];
  }
  if (request.method === 'GET' && first === 'notifications' && account === undefined) {
    return [200, { notifications: notifications.seen.size }];
  }
  if (request.method === 'GET' && first === 'health') return [200, { ok: true }];
  throw new Refusal(404, 'no_such_path', 'there is nothing under this method and path');
}

function main() {
  const text = { type: 'string' };
  const { values } = parseArgs({ options: { listen: text, data: text } });
  if (!values.listen || !values.data) {
    console.error('give --listen ADDRESS:PORT and --data FOLDER');
    process.exit(2);
  }
  const notifications = new Notifications(values.data);
  const server = http.createServer(async (request, response) => {
    let status, answer;
    try {
      [status, answer] = await route(notifications, request);
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      status = error.status ?? 500;
      answer = { error: error.code ?? 'internal', message: error.message };
    }
    const data = JSON.stringify(answer);
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(data) });
    response.end(data);
  });
  server.keepAliveTimeout = IDLE_MS;
  server.headersTimeout = IDLE_MS;
  const at = values.listen.lastIndexOf(':');
  server.listen(Number(values.listen.slice(at + 1)), values.listen.slice(0, at), () => {
    console.log(`listening on http://${values.listen.slice(0, at)}:${server.address().port}`);
  });
  for (const signal of ['SIGTERM', 'SIGINT']) {
    // Open requests are finished; connections that only wait are closed.
    process.on(signal, () => {
      server.close(() => process.exit(0));
      server.closeIdleConnections();
    });
  }
}

main();

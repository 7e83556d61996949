// A real browser for tests of pages: Chromium, driven over its own protocol. Whatever a page says is wrong (a console error, a script
// that throws, a violation of its policy, a serious fault of accessibility) fails the test that opened it.
//
// Environment: CA, the roots of the fleet (PEM); JUDGES, where `xtask/judges.sh` installed; CHROMIUM, the program where it is not
// `/usr/bin/chromium`; SHOTS, a folder for pictures, where somebody wants to look.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'

const { CA, JUDGES, SHOTS } = process.env
const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** As people have it: on a desk and in a hand, by day and by night. */
const LOOKS = [1280, 390].flatMap((width) => ['light', 'dark'].map((scheme) => ({ width, scheme })))

/** Keys that Chromium is to take, as it wants them: those of the chain that a server shows, once it was found good below our roots. No
 * other error of a certificate is passed over. */
async function pins(origin) {
  const { hostname, port } = new URL(origin)
  const name = isIP(hostname) ? undefined : hostname
  const ca = readFileSync(CA)
  const socket = connect({ host: hostname, port: port || 443, servername: name, ca })
  await once(socket, 'secureConnect')
  const keys = []
  for (let it = socket.getPeerX509Certificate(); it; it = it.issuerCertificate) {
    keys.push(createHash('sha256').update(it.publicKey.export({ type: 'spki', format: 'der' })).digest('base64'))
  }
  socket.destroy()
  return keys
}

/** A library that was installed with `xtask/judges.sh`. */
export async function installed(path) {
  if (!existsSync(join(JUDGES, path))) throw new Error(`${path} is not there; run \`sh xtask/judges.sh\` (\`make needs\` does)`)
  return import(join(JUDGES, path))
}

/** Starts Chromium for the pages at `origins`. */
export async function open(...origins) {
  if (!existsSync(PROGRAM)) {
    throw new Error(`no browser: ${PROGRAM} is not there; install Chromium (apt-get install chromium), or name one in CHROMIUM`)
  }
  const { chromium } = await installed('playwright-core/index.mjs')
  const keys = (await Promise.all(origins.map(pins))).flat()
  const args = [`--ignore-certificate-errors-spki-list=${[...new Set(keys)].join(',')}`, '--disable-dev-shm-usage']
  // Its sandbox does not start for root.
  if (process.getuid() === 0) args.push('--no-sandbox')
  // Chromium asks its makers for updates and the like; nothing of that is part of a test.
  args.push('--disable-background-networking', '--no-first-run', '--disable-component-update')
  const chrome = await chromium.launch({ executablePath: PROGRAM, args })
  return new Browser(chrome)
}

/** A program on somebody's desk to which browsers come back (RFC 8252): where, and how to end it. */
export async function app() {
  const server = createServer((_, answer) => {
    answer.setHeader('content-type', 'text/html').end('<!doctype html><link rel="icon" href="data:,"><title>App</title><p>Back in the app.')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { back: `http://127.0.0.1:${server.address().port}/back`, close: () => server.close().closeAllConnections() }
}

class Browser {
  constructor(chrome) {
    this.chrome = chrome
  }

  /** Somebody's window, with cookies of its own. */
  async window() {
    const context = await this.chrome.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' })
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    return new Window(context, page)
  }

  close() {
    return this.chrome.close()
  }
}

/** Warnings that we know and live with: RS256 is for authenticators older than ours may be (decision 0023). */
const KNOWN = [/publicKey\.pubKeyCredParams is missing at least one of the default algorithm identifiers/]

class Window {
  #wrong = []
  #refusals = 0

  constructor(context, page) {
    Object.assign(this, { context, page })
    page.on('pageerror', (error) => this.#wrong.push(`a script threw: ${error}`))
    page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return
      if (KNOWN.some((known) => known.test(message.text()))) return
      const { url } = message.location()
      // What a refused form is answered with is no fault of the page.
      if (this.#refusals > 0 && /status of 4\d\d/.test(message.text())) return void this.#refusals--
      this.#wrong.push(`${message.type()} at ${url}: ${message.text()}`)
    })
  }

  /** Fails where a page said that something is wrong. */
  quiet(where) {
    if (this.#wrong.length > 0) throw new Error(`${where}: ${this.#wrong.join('\n')}`)
  }

  /** Goes somewhere; `refused` where the answer has a status of 4xx. */
  async go(url, { refused = false } = {}) {
    if (refused) this.#refusals++
    await this.page.goto(url)
    this.quiet(url)
    this.#refusals = 0
  }

  /** Presses a button or link and waits for the page that comes; `refused` where its answer has a status of 4xx. */
  async press(name, { role = 'button', refused = false, nth = 0 } = {}) {
    if (refused) this.#refusals++
    const before = this.page.waitForEvent('load')
    await this.page.getByRole(role, { name, exact: true }).nth(nth).click()
    await before
    this.quiet(`after pressing ${name}`)
    this.#refusals = 0
  }

  type(label, text) {
    return this.page.getByLabel(label, { exact: true }).fill(text)
  }

  /** The text of the heading of the page has to be that. */
  async at(title) {
    const found = await this.page.locator('h1').innerText()
    check(found === title, `the page is \`${title}\`, not \`${found}\` at ${this.page.url()}`)
  }

  async says(text) {
    const found = await this.page.locator('body').innerText()
    check(found.includes(text), `the page says \`${text}\`, and not ${found}`)
  }

  /** Looks at the page as all have it: by what judges accessibility, and for overflow; takes a picture where somebody wants one. */
  async look(name) {
    const axe = readFileSync(join(JUDGES, 'axe-core/axe.min.js'), 'utf8')
    for (const { width, scheme } of LOOKS) {
      await this.page.setViewportSize({ width, height: width > 600 ? 900 : 844 })
      await this.page.emulateMedia({ colorScheme: scheme })
      const where = `${name} at ${width} px, ${scheme}`
      if (SHOTS) {
        mkdirSync(SHOTS, { recursive: true })
        await this.page.screenshot({ path: join(SHOTS, `${name}-${width}-${scheme}.png`), fullPage: true })
      }
      const overflow = await this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      check(overflow <= 0, `${where}: nothing stands out to the side, ${overflow} px do`)
      await this.page.evaluate(axe)
      const { violations } = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
      const grave = violations.filter(({ impact }) => ['serious', 'critical', 'moderate'].includes(impact))
      const told = grave.map(({ id, impact, help, nodes }) => `${impact} ${id}: ${help}: ${nodes.map((it) => it.html).join(' ')}`)
      check(grave.length === 0, `${where}: ${told.join('\n')}`)
    }
    await this.page.setViewportSize({ width: 1280, height: 900 })
    await this.page.emulateMedia({ colorScheme: 'light' })
    this.quiet(`looking at ${name}`)
  }

  /** An authenticator in the machine that knows its person (WebAuthn, CDP domain of that name). */
  async authenticator() {
    const cdp = await this.context.newCDPSession(this.page)
    await cdp.send('WebAuthn.enable')
    const options = { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true }
    const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options })
    return {
      credentials: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
      verifies: (isUserVerified) => cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    }
  }
}

export function check(holds, what) {
  if (!holds) throw new Error(`does not hold: ${what}`)
}

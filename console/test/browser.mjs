// A real browser for the tests of the console: Chromium, in which whatever a page says is wrong fails the test: a script that throws, an
// error in its console, a violation of its policy, an address outside, a serious fault of accessibility, text that stands out to the side.
//
// Environment: JUDGES, where `xtask/judges.sh` installed (target/judges/node_modules, where left out); CHROMIUM, the program where it is not
// /usr/bin/chromium; SHOTS, a folder for pictures, where somebody wants to look.

import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const { SHOTS } = process.env
const JUDGES = process.env.JUDGES ?? fileURLToPath(new URL('../../target/judges/node_modules', import.meta.url))
const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium'

export const DESK = { width: 1280, height: 860 }
export const HAND = { width: 390, height: 844 }
export const LOOKS = [DESK, HAND].flatMap((size) => ['light', 'dark'].map((scheme) => ({ size, scheme })))
/** Colours and names are the same in a hand by night as what the other three show. */
const judged = ({ size, scheme }) => size === DESK || scheme === 'light'

export function check(holds, what) {
  if (!holds) throw new Error(what)
}

/** Waits until `find` answers with something, and says what it saw last where that takes too long. */
export async function until(what, find, limit_ms = 20_000) {
  const end = Date.now() + limit_ms
  for (;;) {
    const found = await find()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited ${limit_ms} ms for ${what}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}

export async function open() {
  if (!existsSync(PROGRAM)) throw new Error(`no browser: ${PROGRAM} is not there; install Chromium (apt-get install chromium), or name one in CHROMIUM`)
  const driver = join(JUDGES, 'playwright-core/index.mjs')
  if (!existsSync(driver)) throw new Error(`${driver} is not there; run \`sh xtask/judges.sh\` (\`make needs\` does)`)
  const { chromium } = await import(pathToFileURL(driver))
  const args = ['--disable-dev-shm-usage', '--disable-background-networking', '--no-first-run', '--disable-component-update']
  // Its sandbox does not start for root.
  if (process.getuid() === 0) args.push('--no-sandbox')
  return chromium.launch({ executablePath: PROGRAM, args })
}

export class Window {
  #wrong = []
  #patience = []

  static async in(browser, origin, { size = DESK } = {}) {
    const context = await browser.newContext({ viewport: size, colorScheme: 'light' })
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    return new Window(context, page, origin)
  }

  constructor(context, page, origin) {
    Object.assign(this, { context, page, origin })
    page.on('pageerror', (error) => this.#wrong.push(`a script threw: ${error.stack}`))
    page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type()) || this.#patience.some((it) => it.test(message.text()))) return
      this.#wrong.push(`${message.type()} at ${message.location().url}: ${message.text()}`)
    })
    page.on('request', (request) => {
      const { origin: to, protocol } = new URL(request.url())
      if (to !== origin && protocol !== 'data:' && protocol !== 'blob:') this.#wrong.push(`asked an address outside: ${request.url()}`)
    })
    page.on('dialog', (dialog) => { void dialog.accept() })
  }

  /** What a browser says about answers that are refused on purpose is no fault of the page, until `impatient`. */
  patient(text) {
    this.#patience.push(text)
  }

  impatient() {
    this.#patience = []
  }

  quiet(where) {
    const wrong = this.#wrong
    this.#wrong = []
    check(wrong.length === 0, `${where}: ${wrong.join('\n')}`)
  }

  async go(path) {
    await this.page.goto(this.origin + path)
    await this.page.locator('h1').first().waitFor()
    this.quiet(path)
  }

  async says(text) {
    await until(`the page to say \`${text}\`; it says ${(await this.page.locator('body').innerText()).slice(0, 600)}`, async () => (await this.page.locator('body').innerText()).includes(text))
  }

  press(name, options = {}) {
    return this.page.getByRole(options.role ?? 'button', { name, exact: options.exact ?? true }).first().click()
  }

  fill(label, text) {
    return this.page.getByLabel(label, { exact: true }).fill(text)
  }

  /** The page as everybody has it: on a desk and in a hand, by day and by night. */
  async look(name, looks = LOOKS) {
    const axe = readFileSync(join(JUDGES, 'axe-core/axe.min.js'), 'utf8')
    for (const { size, scheme } of looks) {
      await this.page.setViewportSize(size)
      await this.page.emulateMedia({ colorScheme: scheme })
      const dark = scheme === 'dark'
      await until(`${scheme} colours`, () => this.page.evaluate((it) => document.documentElement.dataset.theme === it, dark ? 'dark' : 'light'))
      const where = `${name} at ${size.width} px, ${scheme}`
      if (SHOTS) {
        mkdirSync(SHOTS, { recursive: true })
        await this.page.waitForTimeout(250)
        await this.page.screenshot({ path: join(SHOTS, `${name}-${size.width}-${scheme}.png`), fullPage: size === HAND })
      }
      const overflow = await this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      check(overflow <= 0, `${where}: ${overflow} px stand out to the side`)
      if (!judged({ size, scheme })) continue
      if (!await this.page.evaluate(() => 'axe' in window)) await this.page.evaluate(axe)
      const faults = await this.page.evaluate(async () => {
        const { violations } = await window.axe.run(document, { resultTypes: ['violations'], preload: false, iframes: false })
        return violations.filter((it) => ['serious', 'critical'].includes(it.impact)).map((it) => `${it.id}: ${it.help}: ${it.nodes.slice(0, 3).map((node) => node.html.slice(0, 200) + (node.any[0]?.message ?? '')).join('; ')}`)
      })
      check(faults.length === 0, `${where}: ${faults.join('\n')}`)
      this.quiet(where)
    }
    await this.page.setViewportSize(DESK)
    await this.page.emulateMedia({ colorScheme: 'light' })
  }

  close() {
    return this.context.close()
  }
}

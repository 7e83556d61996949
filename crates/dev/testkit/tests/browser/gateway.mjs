// Somebody logs in with a browser at a gateway: by name and password, and by way of another identity provider, which is connected,
// goes away and comes back.
//
// Environment besides that of `driver.mjs` (CA holds the provider's root too): ORIGIN of the authorization server, EDGE of the gateway,
// LINK (to set the first password); PORT, CERT, KEY and SECRET of the provider.

import { createServer } from 'node:https'
import { readFileSync } from 'node:fs'
import { check, installed, open } from './driver.mjs'

const { ORIGIN, EDGE, LINK, PORT, CERT, KEY, SECRET } = process.env
const PASSWORD = 'four words of a horse'
const OTHER = `https://127.0.0.1:${PORT}`

async function provide() {
  const { Provider } = await installed('oidc-provider/lib/index.js')
  const provider = new Provider(OTHER, {
    clients: [{
      client_id: 'fleet', client_secret: SECRET, grant_types: ['authorization_code'], scope: 'openid profile',
      redirect_uris: [`${ORIGIN}/sign-in/with/foreign/back`],
    }],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'] },
    cookies: { keys: ['a key for cookies'] },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId, name: 'Ana Elsewhere', preferred_username: accountId }) }),
  })
  const server = createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) }, provider.callback())
  await new Promise((listening) => server.listen(Number(PORT), '127.0.0.1', listening))
  return { close: () => (server.closeAllConnections(), new Promise((closed) => server.close(closed))) }
}

let provider = await provide()
const browser = await open(ORIGIN, EDGE, OTHER)
const window = await browser.window()
const { page } = window
// The provider's own pages want letters of others.
await window.context.route(/fonts\.g/, (route) => route.fulfill({ status: 200, contentType: 'text/css', body: '' }))

/** Asks for the sign-in page until it says so. */
async function untilOffered(text) {
  for (let n = 0; n < 240; n++) {
    await window.go(`${ORIGIN}/sign-in`)
    if ((await page.locator('body').innerText()).includes(text)) return
    await page.waitForTimeout(250)
  }
  throw new Error(`the sign-in page does not say ${text}`)
}

async function atTheProgram(what) {
  check(page.url() === `${EDGE}/page.html`, `${what}: at the page, not at ${page.url()}`)
  await window.says('A page of the program')
}

async function enrol() {
  await window.go(LINK)
  await window.type('New password', PASSWORD)
  await window.type('Once more', PASSWORD)
  await window.press('Set password')
}

async function byPassword() {
  await window.go(`${EDGE}/page.html`)
  check(page.url().startsWith(`${ORIGIN}/sign-in`), `at the server, not at ${page.url()}`)
  await window.at('Sign in')
  await window.says('Continue with The Foreign One')
  await window.look('gateway-sign-in')
  await window.type('Name', 'ana')
  await window.type('Password', PASSWORD)
  await window.press('Sign in')
  await atTheProgram('after the sign-in')
  await window.go(`${EDGE}/page.html`)
  await atTheProgram('again, and nobody is asked')
  const names = (await window.context.cookies(EDGE)).map(({ name, httpOnly, secure, sameSite }) => `${name} ${httpOnly} ${secure} ${sameSite}`)
  check(names.includes('__Host-bartizan true true Lax'), `the session is in a cookie that no script reads: ${names}`)
  check((await page.evaluate(() => document.cookie)) === '', 'a script sees no cookie')
}

async function out() {
  await window.go(`${EDGE}/.bartizan/logout`)
  await window.look('gateway-log-out')
  await page.locator('form button').click()
  await page.waitForURL(/logged-out/)
  await window.look('gateway-logged-out')
  await window.go(`${EDGE}/page.html`)
  check(page.url().startsWith(`${ORIGIN}/sign-in`), `asked again, not at ${page.url()}`)
}

/** What the provider asks, in its own words. */
async function atTheProvider(login) {
  await page.waitForURL((url) => url.origin === OTHER)
  if (login) {
    await page.locator('input[name=login]').fill(login)
    await page.locator('input[name=password]').fill('anything')
    await page.locator('button[type=submit], input[type=submit]').first().click()
  }
  await page.locator('form:has(input[name=prompt][value=consent]) button').click()
}

async function connects() {
  await window.type('Name', 'ana')
  await window.type('Password', PASSWORD)
  await window.press('Sign in')
  await window.go(`${ORIGIN}/account`)
  await window.says('Accounts elsewhere')
  await window.look('account-connect')
  await page.getByRole('button', { name: 'Connect The Foreign One' }).click()
  await atTheProvider('ana')
  await page.waitForURL(`${ORIGIN}/account`)
  await window.says('Take back')
  await window.look('account-connected')
  // Another way in ends what was given before, at the gateway too.
  await window.go(`${EDGE}/.bartizan/logout`)
  check(page.url() === `${EDGE}/.bartizan/logged-out`, `nobody is logged in at the gateway, at ${page.url()}`)
  await window.go(`${ORIGIN}/account`)
  await window.press('Sign out')
}

async function byProvider() {
  await window.go(`${EDGE}/page.html`)
  await page.getByRole('button', { name: 'Continue with The Foreign One' }).click()
  await page.waitForURL((url) => url.origin === OTHER || url.origin === EDGE)
  if (page.url().startsWith(OTHER)) await atTheProvider()
  await page.waitForURL(`${EDGE}/page.html`)
  await atTheProgram('by way of the provider')
}

/** The provider goes away: nobody is offered a way that leads nowhere, and who is logged in stays so. */
async function away() {
  await provider.close()
  const other = await browser.window()
  await other.go(`${EDGE}/page.html`)
  await other.type('Name', 'ana')
  await other.type('Password', 'not hers at all')
  await window.go(`${EDGE}/page.html`)
  await atTheProgram('while the provider is away')
  for (let n = 0; n < 480; n++) {
    await other.go(`${ORIGIN}/sign-in`)
    if ((await other.page.locator('body').innerText()).includes('The Foreign One cannot be reached now.')) break
    await other.page.waitForTimeout(250)
  }
  await other.says('The Foreign One cannot be reached now.')
  check((await other.page.getByRole('button', { name: /Foreign/ }).count()) === 0, 'no button leads nowhere')
  await other.look('sign-in-provider-away')
  await window.go(`${EDGE}/page.html`)
  await atTheProgram('who is logged in stays so')
  provider = await provide()
  for (let n = 0; n < 480; n++) {
    await other.go(`${ORIGIN}/sign-in`)
    if ((await other.page.getByRole('button', { name: /Foreign/ }).count()) === 1) return
    await other.page.waitForTimeout(250)
  }
  throw new Error('it is not offered again')
}

async function refused() {
  await window.go(`${EDGE}/.bartizan/callback?state=x&code=y`, { refused: true })
  await window.says('Reference')
  await window.look('gateway-refused')
}

try {
  await enrol()
  await untilOffered('Continue with The Foreign One')
  await byPassword()
  await out()
  await connects()
  await byProvider()
  await away()
  await out()
  await refused()
  console.log(JSON.stringify({ judge: 'chromium', version: browser.chrome.version() }))
} catch (error) {
  console.error(`at ${page.url()}: ${await page.locator('body').innerText().catch(() => '')}`)
  throw error
} finally {
  await browser.close()
  await provider.close()
}

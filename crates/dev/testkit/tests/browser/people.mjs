// Somebody's whole life at the pages of the authorization server, in a real browser: from the link to the last sign-out.
//
// Environment besides that of `driver.mjs`: ORIGIN, LINK (to set the first password), DEVICE (a code that a device shows).

import { createHmac } from 'node:crypto'
import { app, check, open } from './driver.mjs'

const { ORIGIN, LINK, DEVICE } = process.env
const PASSWORD = 'four words of a horse'
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM' // RFC 7636 appendix B

const shop = await app()
const browser = await open(ORIGIN)
const window = await browser.window()
const { page } = window
const authenticator = await window.authenticator()

async function enrol() {
  await window.go(LINK)
  await window.look('welcome')
  await window.type('New password', PASSWORD)
  await window.type('Once more', `${PASSWORD} not`)
  await window.press('Set password', { refused: true })
  await window.says('The two are not the same.')
  await window.look('welcome-wrong')
  await window.type('New password', PASSWORD)
  await window.type('Once more', PASSWORD)
  await window.press('Set password')
  await window.at('Sign in')
}

async function byPassword() {
  await window.look('sign-in')
  await window.type('Name', 'ana')
  await window.type('Password', 'no password of hers')
  await window.press('Sign in', { refused: true })
  await window.says('Name or password is wrong.')
  await window.look('sign-in-wrong')
  await window.type('Password', PASSWORD)
  await window.press('Sign in')
  await window.at('Your account')
}

async function addPasskey() {
  await page.getByRole('link', { name: /^Passkeys/ }).click()
  await page.waitForLoadState()
  await window.at('Passkeys')
  await window.look('passkeys-none')
  await window.type('Name of this passkey', 'This laptop')
  await window.press('Add a passkey')
  await window.says('This laptop')
  check((await authenticator.credentials()).length === 1, 'the authenticator holds one passkey')
  await window.look('passkeys')
  await window.go(`${ORIGIN}/account`)
  await window.look('account')
}

/** Who did not show a finger does not come in, and is told so. */
async function byPasskey() {
  await window.press('Sign out')
  await window.go(`${ORIGIN}/sign-in`)
  await authenticator.verifies(false)
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await page.getByText('No passkey was used.').waitFor()
  await authenticator.verifies(true)
  await window.press('Use a passkey')
  await window.at('Your account')
}

function authorize(scope) {
  const asked = { client_id: 'shop', redirect_uri: shop.back, response_type: 'code', scope, state: 'a state' }
  const proof = { nonce: 'a nonce', code_challenge: CHALLENGE, code_challenge_method: 'S256' }
  return `${ORIGIN}/authorize?${new URLSearchParams({ ...asked, ...proof })}`
}

function isBack(what) {
  const at = new URL(page.url())
  check(at.origin + at.pathname === shop.back, `${what}: back at the app, not at ${page.url()}`)
  check(at.searchParams.get('state') === 'a state' && at.searchParams.get('iss') === ORIGIN, `${what}: ${page.url()}`)
  return at.searchParams
}

async function consents() {
  await window.go(authorize('openid profile'))
  await window.at('Allow access?')
  await window.look('consent')
  await window.press('Do not allow')
  check(isBack('no').get('error') === 'access_denied', 'the app hears that she said no')
  await window.go(authorize('openid profile'))
  await window.press('Allow')
  check(isBack('yes').get('code'), 'the app has a code')
  await window.go(authorize('openid profile'))
  check(isBack('again').get('code'), 'nobody is asked twice')
  await window.go(`${ORIGIN}/account`)
  await window.says('shop')
  await window.look('account-with-consent')
}

async function device() {
  await window.go(`${ORIGIN}/device`)
  await window.look('device')
  await window.go(`${ORIGIN}/device?user_code=${DEVICE}`)
  await page.locator('form button').first().click()
  await page.waitForLoadState()
  await window.look('device-asked')
}

/** RFC 6238, as an authenticator app reckons it. */
function totp(secret, at = Date.now()) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...secret.replaceAll(' ', '')].map((it) => letters.indexOf(it).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)))
  const mac = createHmac('sha1', key).update(counter).digest()
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}

async function codes() {
  await page.getByRole('link', { name: /^Codes of an app/ }).click()
  await page.waitForLoadState()
  await window.look('codes')
  const secret = await page.locator('code').first().innerText()
  await window.type('Code', totp(secret))
  await window.press('Add this app')
  await window.look('recovery-codes')
  const recovery = await page.locator('ol code').first().innerText()
  await window.go(`${ORIGIN}/account/code`)
  await window.look('codes-on')
  await window.go(`${ORIGIN}/account`)
  await window.press('Sign out')
  await window.go(`${ORIGIN}/sign-in`)
  await window.type('Name', 'ana')
  await window.type('Password', PASSWORD)
  await window.press('Sign in')
  await window.look('second-factor')
  await window.type('Code of your app, or a recovery code', recovery)
  await window.press('Go on')
  await window.at('Your account')
}

async function password() {
  await page.getByRole('link', { name: 'Change your password' }).click()
  await page.waitForLoadState()
  await window.look('password')
  await window.go(`${ORIGIN}/account`)
}

/** Another window is signed in too, and is not any more. */
async function everywhere() {
  const other = await browser.window()
  const cookies = await window.context.cookies()
  await other.context.addCookies(cookies)
  await other.go(`${ORIGIN}/account`)
  await other.at('Your account')
  await window.press('Sign out everywhere')
  await window.at('Sign in')
  await other.go(`${ORIGIN}/account`)
  await other.at('Sign in')
}

try {
  await enrol()
  await byPassword()
  await addPasskey()
  await byPasskey()
  await consents()
  await device()
  await window.go(`${ORIGIN}/account`)
  await codes()
  await password()
  await everywhere()
  console.log(JSON.stringify({ judge: 'chromium', version: browser.chrome.version() }))
} finally {
  await browser.close()
  shop.close()
}

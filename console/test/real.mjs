// The pages of a fleet that runs: what control really answers is shown, nowhere with an error, and what is denied meanwhile comes by
// itself.
//
//   node console/test/real.mjs LINK      a link of `bartizan console link --role administrator`; the bank runs, and somebody is denied
//
// Environment: ORIGIN, where the pages are, if that is not where the link leads (`console/dev/before.mjs`); the rest is that of browser.mjs.

import { Window, check, open, until } from './browser.mjs'

const link = new URL(process.argv[2])
const origin = process.env.ORIGIN ?? link.origin
const browser = await open()
const window = await Window.in(browser, origin)
const { page } = window

/** Nothing failed there, and nothing is left loading. */
async function well(where) {
  await until(`${where} to be loaded`, async () => await page.locator('.spinner').count() === 0)
  const failed = await page.locator('.state-failed, .banner-lost').allInnerTexts()
  check(failed.length === 0, `${where}: ${failed.join('; ')}`)
  window.quiet(where)
}

async function signIn() {
  // Nobody is signed in at first. What this control does not have yet is answered 404, and shown so.
  window.patient(/status of 40[14]/)
  await window.go(`/link${link.hash}`)
  await window.press('Sign in')
  await page.getByRole('heading', { name: 'Service map' }).waitFor()
}

async function map() {
  for (const name of ['gateway', 'accounts', 'payment', 'transactions', 'notifications', 'users']) await page.locator(`[data-service="${name}"]`).waitFor()
  await until('the connection', async () => await page.locator('.heard-live').count() === 1)
  await until('the map to show who denies', async () => /denied/.test(await page.locator('.stage').innerText()))
  await page.locator('[data-service="accounts"]').click()
  await page.locator('.sheet', { hasText: 'core-banking' }).waitFor()
  await page.locator('.sheet', { hasText: 'attached' }).waitFor()
  await window.go('/?from=payment&to=accounts')
  await window.says('fleet:calls/payment->accounts')
  await well('map')
}

async function events() {
  await window.go('/events?outcome=denied&class=request')
  const rows = page.locator('.events-table tbody tr')
  await rows.first().waitFor()
  const before = await rows.count()
  await until('what is denied now to come by itself', async () => await rows.count() > before)
  await window.press('Live: pause')
  await page.locator('.events-table tbody a').first().click()
  await window.says('Record (OCSF)')
  await page.getByRole('link', { name: 'Why was this denied?' }).click()
  await window.says('forbid `no-direct-transfers` at money.cedar')
  await window.press('Waterfall')
  await page.locator('.wf-denied').first().waitFor()
  await well('request')
}

async function others() {
  await window.go('/policies?service=accounts')
  await window.says('forbids part')
  await window.says('no-direct-transfers')
  await well('policies')
  await window.go('/changes')
  await page.locator('.change').first().waitFor()
  await page.locator('.change a').first().click()
  await window.says('Record (OCSF)')
  await well('changes')
  await window.go('/identities')
  await window.says('6 of 6')
  await well('identities')
  await window.go('/boards/executive')
  await page.locator('[data-panel="auth-success"] canvas').waitFor()
  await well('executive')
  await window.go('/boards/on-call')
  await page.locator('[data-panel="denies"] canvas').waitFor()
  await well('on call')
  await window.go('/boards/debug?q=accounts')
  await well('debug')
  await window.go('/objectives?indicator=M3')
  await page.locator('[data-panel="indicator"] canvas').waitFor()
  check(await page.locator('.sourceless').count() === 5, 'five indicators have no source')
  await well('objectives')
  await window.go('/links')
  await page.locator('[data-panel="sessions"] tbody tr').first().waitFor()
  await window.fill('Name', 'somebody')
  await window.press('Make a link')
  await window.says('/link#')
  await well('links')
  await window.go('/alerts')
  await well('alerts')
}

try {
  await signIn()
  await map()
  await events()
  await others()
  await window.press('Sign out')
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  console.log(JSON.stringify({ judge: 'chromium', failed: 0 }))
} finally {
  await browser.close()
}

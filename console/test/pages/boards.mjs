// The three boards: every panel that was asked for, what has no source, marks of changes, the age of what is shown, a lost connection.

import { Fixture } from '../../dev/server.mjs'
import { Window, check, until } from '../browser.mjs'

export async function run({ browser, say }) {
  const fixture = new Fixture({ fleet: 'small', open: true })
  const origin = await fixture.listen()
  const window = await Window.in(browser, origin)
  await executive(window, fixture)
  await onCall(window)
  await byItself(window)
  await debug(window, fixture)
  await objectives(window)
  await lost(window, fixture, say)
  await window.close()
  await fixture.close()
}

const panels = (page) => page.locator('[data-panel]').evaluateAll((those) => those.map((it) => it.dataset.panel))

/** A number where nothing measures would be worse than none. */
async function hasNoNumber(page, panel) {
  const text = await page.locator(`[data-panel="${panel}"] .no-source`).first().innerText()
  check(text.startsWith('No source yet') && !/\d+([.,]\d+)?\s*(%|h\b|min)/.test(text), `${panel}: ${text}`)
}

async function executive({ page, go, ...window }, fixture) {
  const it = Object.assign(Object.create(Window.prototype), window, { page })
  await page.goto(`${it.origin}/boards/executive`)
  await page.locator('[data-panel="auth-success"] canvas').waitFor()
  const found = await panels(page)
  check(found.length === 4, `four panels and no more: ${found}`)
  for (const panel of ['incidents', 'dependencies', 'times']) await hasNoNumber(page, panel)
  // Equal to the series, to the digit.
  const { places } = fixture.documents.indicators().indicators[0]
  const hour = places[0].windows[0]
  const text = await page.locator('[data-panel="auth-success"]').innerText()
  check(text.includes((hour.share * 100).toFixed(3)), `${hour.share} is in ${text}`)
  check(/P\s*policies 16 published/.test(text), `changes are marked: ${text}`)
  await page.emulateMedia({ media: 'print' })
  check(!await page.locator('.places').isVisible() && !await page.locator('.top').isVisible(), 'paper shows the board alone')
  await page.emulateMedia({ media: null })
}

async function onCall(window) {
  const { page } = window
  await window.go('/boards/on-call')
  await page.locator('[data-panel="denies"] canvas').waitFor()
  const found = await panels(page)
  for (const panel of ['alerts', 'auth-failures', 'denies', 'egress']) check(found.includes(panel), `${panel} in ${found}`)
  check(/Data is .* old/.test(await page.locator('main').innerText()), 'the age of data is on screen')
  // A burst of failures shows under its service within seconds.
  await until('failures by service', async () => await page.locator('[data-panel="auth-failures"] tbody tr').count() > 0, 40_000)
  const alerts = page.locator('[data-panel="alerts"] li')
  check(await alerts.count() >= 3, 'alerts are there')
  check(await page.locator('[data-panel="alerts"] .runbook').count() === await alerts.count(), 'each with a runbook')
  await page.locator('[data-panel="alerts"] .runbook').first().click()
  await page.getByRole('heading', { name: 'BartizanBudgetBurns' }).waitFor()
  await page.goBack()
  await page.locator('[data-panel="denies"] li a', { hasText: 'policies 17 published' }).first().click()
  await page.locator('.sheet', { hasText: 'policies 17 published' }).waitFor()
  await window.press('Reload files')
  await window.says('In force now: policies.')
  await window.go('/boards/on-call')
  await window.says('paste.example.net')
  await window.says('not_listed')
  window.quiet('on call')
}

/** What a page asks by itself says so, from the first time on that nobody did anything; what somebody goes to does not. */
async function byItself(window) {
  const { page } = window
  const asked = []
  const keep = (request) => {
    const { pathname } = new URL(request.url())
    if (pathname.startsWith('/api/v1/')) asked.push({ what: pathname.slice(8), byItself: request.headers()['bartizan-by-itself'] === '1' })
  }
  page.on('request', keep)
  const of = (what) => asked.filter((it) => it.what === what).map((it) => it.byItself)
  await page.goto(`${window.origin}/boards/on-call`)
  await until('the board to ask again', () => of('indicators').length >= 2 && of('egress').length >= 2, 40_000)
  for (const what of ['indicators', 'egress']) check(!of(what)[0] && of(what).slice(1).every((it) => it), `${what}: ${of(what)}`)
  check(of('stream').length > 0 && of('stream').every((it) => it), `the stream: ${of('stream')}`)
  check(of('me').length === 1 && !of('me')[0], `somebody opened the page: ${of('me')}`)
  const before = asked.length
  await window.go('/policies')
  await until('the page to ask', () => of('policies').length > 0)
  check(!of('policies')[0], `somebody went there: ${JSON.stringify(asked.slice(before))}`)
  page.off('request', keep)
  window.quiet('by itself')
}

async function debug(window, fixture) {
  const { page } = window
  await window.go('/boards/debug')
  const found = await panels(page)
  for (const panel of ['failed-flows', 'rollouts', 'handshakes', 'exposed-secrets']) check(found.includes(panel), `${panel} in ${found}`)
  await hasNoNumber(page, 'exposed-secrets')
  await window.says('no-direct-transfers')
  await window.says('untrusted issuer')
  const field = page.getByRole('searchbox')
  const ask = async (text, says) => {
    await field.fill(text)
    await window.press('Look')
    await window.says(says)
  }
  const denied = fixture.happenings.kept.findLast((it) => it.unmapped.bartizan.denial && it.unmapped.bartizan.request)
  await ask(denied.unmapped.bartizan.request, 'One request.')
  check(await page.locator('[data-panel="failed-flows"] tbody tr').count() === 1, 'the failed hop of that request alone')
  const { serial, key } = fixture.documents.issued().issued[0]
  await ask(key, 'A digest')
  await window.says(serial)
  await ask('accounts', 'Whoever is called accounts')
  await ask('last 30m', 'From ')
  check(new URL(page.url()).searchParams.get('q') === 'last 30m', page.url())
  await ask('<b>', 'expected a trace id')
  window.quiet('debug')
}

async function objectives(window) {
  const { page } = window
  await window.go('/objectives')
  await until('ten indicators', async () => await page.locator('.indicator').count() === 10)
  check(await page.locator('.sourceless').count() === 5, 'five of them without a source')
  check((await page.locator('.sourceless').allInnerTexts()).every((it) => it.includes('No source yet')), 'and they say so')
  await page.getByRole('link', { name: /^M2/ }).click()
  await page.locator('[data-panel="indicator"] canvas').waitFor()
  await window.says('How fast the budget burns')
  await window.says('overdrawn')
  await window.says('at least 99.95 %')
  await window.says('Other targets')
  window.quiet('objectives')
}

/** Control goes away and comes back: what was known stays, says so, and is live again by itself. */
async function lost(window, fixture, say) {
  const { page } = window
  await window.go('/boards/on-call')
  await window.says('paste.example.net')
  await until('the stream', () => fixture.streams.size > 0)
  window.patient(/ERR_|Failed to (load|fetch)|net::/)
  fixture.lose(true)
  await page.locator('.banner-lost').waitFor()
  await window.says('Connection to control lost')
  await window.says('What is shown is the last that was known')
  await window.says('paste.example.net')
  await until('the panels to say last known', async () => (await page.locator('main').innerText()).includes('Last known'))
  await window.look('lost')
  fixture.lose(false)
  const began = Date.now()
  await window.press('Try now')
  await until('it to be live again', async () => await page.locator('.heard-live').count() === 1, 40_000)
  await until('the banner to go', async () => await page.locator('.banner-lost').count() === 0)
  say(`live again ${Date.now() - began} ms after control came back`)
  window.impatient()
  // A page that is opened while control is away waits for it.
  window.patient(/ERR_|Failed to (load|fetch)|net::/)
  await page.route('**/api/v1/me', (route) => route.abort())
  await page.goto(`${window.origin}/`)
  await window.says('Control does not answer')
  await page.unroute('**/api/v1/me')
  await page.getByRole('heading', { name: 'Service map' }).waitFor({ timeout: 40_000 })
  window.impatient()
  // One question that fails leaves the others alone.
  window.patient(/status of 5\d\d/)
  fixture.fail('indicators', 500)
  await window.go('/objectives')
  await window.says('the store does not answer')
  fixture.fail('indicators', null)
  await window.press('Try again')
  await page.locator('.indicator').first().waitFor()
  window.impatient()
  window.quiet('lost')
}

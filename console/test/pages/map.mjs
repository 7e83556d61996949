// The service map: live, by mouse, keyboard and table, with none and with 200 services.

import { Fixture } from '../../dev/server.mjs'
import { HAND, LOOKS, Window, check, until } from '../browser.mjs'

/** A frame takes so long at most, in milliseconds, at the 95th percentile, on a machine that does other things as well. */
const FRAME_MS = 120

export async function run({ browser, say }) {
  await small(browser)
  await large(browser, say)
  await empty(browser)
}

async function small(browser) {
  const fixture = new Fixture({ fleet: 'small', open: true })
  const window = await Window.in(browser, await fixture.listen())
  const { page } = window
  await window.go('/')
  const service = (name) => page.locator(`[data-service="${name}"]`)
  await service('accounts').waitFor()
  check(await service('accounts').evaluate((it) => it.classList.contains('tone-deny')), 'a service that denies looks like it')
  check((await service('accounts').innerText()).includes('denied'), 'and says so')
  // Live: numbers change without a reload.
  const before = await service('gateway').innerText()
  await until('rates to change', async () => (await service('gateway').innerText()) !== before)
  // A service, its panel, an edge of it, what allows it.
  await service('payment').click()
  await page.getByRole('complementary', { name: 'Details' }).getByText('Called by').waitFor()
  check(page.url().endsWith('?service=payment'), page.url())
  await page.locator('.sheet .edge-list button', { hasText: 'accounts' }).click()
  await window.says('What allows it')
  await window.says('fleet:calls/payment->accounts')
  const shared = page.url()
  check(shared.includes('from=payment') && shared.includes('to=accounts'), shared)
  await page.getByRole('button', { name: 'Close details' }).click()
  await until('the panel to close', async () => await page.locator('.sheet').count() === 0)
  // The address alone shows the same.
  await page.goto(shared)
  await window.says('fleet:calls/payment->accounts')
  await page.keyboard.press('Escape')
  await until('Escape to close the panel', async () => await page.locator('.sheet').count() === 0)
  await keyboard(window, service)
  await edge(window)
  // The same as a table.
  await window.press('Table')
  await page.getByRole('region', { name: 'Services' }).waitFor()
  await window.says('legacy-mail')
  check(page.url().includes('view=table'), page.url())
  window.quiet('small map')
  // In a hand the panel is a sheet at the bottom, and the menu opens.
  await page.setViewportSize(HAND)
  await window.go('/')
  await window.press('Menu')
  await page.getByRole('link', { name: 'Alerts' }).click()
  await page.getByRole('heading', { name: 'Alerts', level: 1 }).waitFor()
  check(!await page.getByRole('link', { name: 'Policies', exact: true }).isVisible(), 'the menu closes behind')
  await window.close()
  await fixture.close()
}

async function keyboard({ page }, service) {
  await service('gateway').focus()
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('data-service'))
  await page.keyboard.press('ArrowRight')
  const next = await focused()
  check(next !== null && next !== 'gateway', `an arrow leads to the next service, and not to ${next}`)
  const transform = () => page.locator('.stage-layer').evaluate((it) => it.style.transform)
  const at = await transform()
  await page.keyboard.press('+')
  await until('plus to zoom', async () => (await transform()) !== at)
  await page.keyboard.press('0')
  await until('0 to show all', async () => (await transform()) === at)
  await page.keyboard.press('Enter')
  await page.locator('.sheet').waitFor()
  check(page.url().includes(`service=${next}`), page.url())
  await page.keyboard.press('Escape')
  await until('the panel to close', async () => await page.locator('.sheet').count() === 0)
  check(await focused() === next, 'and the service has the focus again')
}

/** An edge is picked where its curve is. */
async function edge({ page }) {
  const [from, to] = await Promise.all(['outside', 'gateway'].map((it) => page.locator(`[data-service="${it}"]`).boundingBox()))
  await page.mouse.click((from.x + from.width + to.x) / 2, from.y + from.height / 2 + 2)
  await until('the edge to be picked', () => page.url().includes('from=outside&to=gateway'))
  await page.getByText('Clients outside have no identity here').waitFor()
  await page.keyboard.press('Escape')
  await page.goto(new URL('/', page.url()).href)
  await page.locator('[data-service="accounts"]').waitFor()
}

async function large(browser, say) {
  const fixture = new Fixture({ fleet: 'large', open: true })
  const window = await Window.in(browser, await fixture.listen())
  const { page } = window
  await window.go('/')
  await until('202 services', async () => await page.locator('[data-service]').count() === 202)
  const outside = () => page.evaluate(() => {
    const stage = document.querySelector('.stage').getBoundingClientRect()
    return [...document.querySelectorAll('[data-service]')].map((it) => it.getBoundingClientRect()).filter((it) => it.left < stage.left - 1 || it.right > stage.right + 1 || it.top < stage.top - 1 || it.bottom > stage.bottom + 1).length
  })
  await until('all of 200 services to be in sight', async () => await outside() === 0)
  await page.evaluate(() => {
    const frames = window.frames_ms = []
    let last = performance.now()
    const next = (now) => {
      frames.push(now - last)
      last = now
      window.frame = requestAnimationFrame(next)
    }
    window.frame = requestAnimationFrame(next)
  })
  const box = await page.locator('.stage').boundingBox()
  await page.mouse.move(box.x + 30, box.y + 30)
  await page.mouse.down()
  for (let n = 0; n < 60; n++) await page.mouse.move(box.x + 30 + n * 6, box.y + 30 + n * 3)
  await page.mouse.up()
  for (let n = 0; n < 30; n++) await page.mouse.wheel(0, n < 15 ? -60 : 60)
  const frames = await page.evaluate(() => {
    cancelAnimationFrame(window.frame)
    return window.frames_ms.slice(2).sort((a, b) => a - b)
  })
  const at = (share) => frames[Math.floor(frames.length * share)] ?? 0
  say(`200 services: ${frames.length} frames while it moves, median ${at(0.5).toFixed(1)} ms, 95 % within ${at(0.95).toFixed(1)} ms`)
  check(at(0.95) < FRAME_MS, `the map of 200 services stutters: 95 % of frames within ${at(0.95)} ms`)
  window.quiet('large map')
  await window.look('large-map')
  // One of many is found by its name, and comes near.
  await window.go('/')
  await page.getByLabel('Find a service').fill('risk-alert')
  await page.keyboard.press('Enter')
  await page.locator('.sheet h2', { hasText: 'risk-alert' }).waitFor()
  await until('it to be in the middle and readable', () => page.locator('[data-service="risk-alert"]').evaluate((it) => {
    const [box, stage] = [it.getBoundingClientRect(), document.querySelector('.stage').getBoundingClientRect()]
    return box.width > 110 && box.left > stage.left && box.right < stage.right && box.top > stage.top && box.bottom < stage.bottom
  }))
  await window.go('/?view=table')
  await window.look('large-table', LOOKS.slice(1, 3))
  await window.close()
  await fixture.close()
}

async function empty(browser) {
  const fixture = new Fixture({ fleet: 'empty', open: true })
  const window = await Window.in(browser, await fixture.listen())
  await window.go('/')
  await window.says('No services yet')
  await window.look('empty-map')
  for (const [path, text] of [['/events', 'Nothing fits'], ['/alerts', 'Nothing fires'], ['/boards/on-call', 'No service went outside'], ['/changes', 'Nothing changed'], ['/boards/debug', 'None failed']]) {
    await window.go(path)
    await window.says(text)
  }
  await window.close()
  await fixture.close()
}

// Every page on a desk and in a hand, by day and by night: no serious fault of accessibility, nothing out to the side.

import { Fixture } from '../../dev/server.mjs'
import { Window, check, until } from '../browser.mjs'
import { PAGES } from './list.mjs'

export async function run({ browser }) {
  const fixture = new Fixture({ fleet: 'small', open: true })
  const window = await Window.in(browser, await fixture.listen())
  const { page } = window
  for (const [name, path] of PAGES(fixture)) {
    await window.go(path)
    await until(`${name} to be loaded`, async () => await page.locator('.spinner').count() === 0)
    await window.look(name)
  }
  // The switch goes before what the system says, and is kept.
  await window.go('/')
  await window.press('Dark colours')
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme)
  check(await theme() === 'dark', 'the switch makes it dark')
  await page.reload()
  await until('it to be kept', async () => await theme() === 'dark')
  // Who has no mouse sees where they are.
  await page.locator('h1').waitFor()
  await page.keyboard.press('Tab')
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)
  check(outline !== 'none', 'what has the focus is seen')
  await window.close()
  await fixture.close()
}

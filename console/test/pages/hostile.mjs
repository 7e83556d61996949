// HTML and script in every text that is shown stay text.

import { PLANTED } from '../../dev/fleets.mjs'
import { Fixture } from '../../dev/server.mjs'
import { Window, check } from '../browser.mjs'
import { PAGES } from './list.mjs'

export async function run({ browser }) {
  const fixture = new Fixture({ fleet: 'hostile', open: true })
  const window = await Window.in(browser, await fixture.listen())
  const { page } = window
  let shown = 0
  for (const [name, path] of PAGES(fixture)) {
    await window.go(path)
    await page.locator('.spinner').first().waitFor({ state: 'detached' })
    const found = await page.evaluate(() => ({
      planted: window.planted,
      images: document.querySelectorAll('img, script:not([src]), iframe').length,
      scripts: [...document.querySelectorAll('a[href]')].filter((it) => !/^(https?:|data:)/.test(it.href)).map((it) => it.href),
      overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    }))
    check(found.planted === undefined, `${name}: what was planted ran`)
    check(found.images === 0, `${name}: what was planted is an element`)
    check(found.scripts.length === 0, `${name}: a link is a script: ${found.scripts}`)
    check(found.overflow <= 0, `${name}: ${found.overflow} px stand out to the side`)
    if ((await page.locator('body').innerText()).includes(PLANTED)) shown++
    window.quiet(`hostile ${name}`)
  }
  check(shown >= 15, `what was planted is shown as text on ${shown} pages only`)
  await window.close()
  await fixture.close()
}

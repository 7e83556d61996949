// Pictures of every page, for somebody who wants to look: SHOTS=folder node test/shots.mjs [fleet]

import { Fixture } from '../dev/server.mjs'
import { Window, open } from './browser.mjs'
import { PAGES } from './pages/list.mjs'

const fleet = process.argv[2] ?? 'small'
const only = process.argv[3]
const fixture = new Fixture({ fleet, open: true })
const origin = await fixture.listen()
const browser = await open()
try {
  const window = await Window.in(browser, origin)
  for (const [name, path] of PAGES(fixture)) {
    if (only && !name.includes(only)) continue
    await window.go(path)
    await window.page.waitForTimeout(900)
    await window.look(`${fleet}-${name}`).catch((error) => console.log(`${name}: ${error.message}`))
  }
} finally {
  await browser.close()
  await fixture.close()
}

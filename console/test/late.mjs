// How late what happens is on the page: from the time in an event's record to its row, in a browser on the machine of the fleet.
//
//   node console/test/late.mjs LINK [seconds]     a link of `bartizan console link`; somebody is denied meanwhile
//
// Environment: as that of real.mjs.

import { Window, check, open } from './browser.mjs'

const link = new URL(process.argv[2])
const seconds = Number(process.argv[3] ?? 45)
const browser = await open()
const window = await Window.in(browser, process.env.ORIGIN ?? link.origin)
const { page } = window
window.patient(/status of 40[14]/)
await window.go(`/link${link.hash}`)
await window.press('Sign in')
await page.locator('.heard-live').waitFor()
await window.go('/events?outcome=denied')
await page.locator('.events-table tbody tr').first().waitFor()
await page.locator('.heard-live').waitFor()
await page.evaluate(() => {
  const seen = new Set()
  const late = window.late = []
  const look = (counts) => {
    for (const it of document.querySelectorAll('.events-table tbody a')) {
      const words = new URL(it.href).searchParams
      if (seen.has(words.get('open'))) continue
      seen.add(words.get('open'))
      if (counts) late.push(Date.now() - Number(words.get('at')))
    }
  }
  look(false)
  new MutationObserver(() => look(true)).observe(document.querySelector('.events-list'), { childList: true, subtree: true })
})
await page.waitForTimeout(seconds * 1000)
const late = (await page.evaluate(() => window.late)).sort((a, b) => a - b)
await browser.close()
check(late.length > 0, 'nothing was denied meanwhile')
const at = (share) => late[Math.min(late.length - 1, Math.floor(late.length * share))]
console.log(`${late.length} events: on the page after ${at(0.5)} ms (median), ${at(0.99)} ms (99 %), ${late.at(-1)} ms at most`)

// Tests of the console: builds it where that is due, then plain functions, then pages in a real browser against the fixture of `dev/`.
//
//   node console/test/run.mjs [name of a part]
//
// The last line is JSON: how many parts passed, and which judge they had.

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('..', import.meta.url))
const only = process.argv[2]
const program = (file, ...args) => execFileSync(file, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] })

program('sh', 'build.sh')
if (!only || only === 'unit') {
  program('node_modules/.bin/tsc', '--project', 'test/tsconfig.json')
  const tests = readdirSync(new URL('unit', import.meta.url)).filter((it) => it.endsWith('.test.mjs')).map((it) => `test/unit/${it}`)
  program(process.execPath, '--test', '--test-reporter=dot', ...tests)
}

// What is measured has the machine to itself; the others mostly wait, and do so together.
const ROUNDS = [['budget'], ['map'], ['sign-in', 'events', 'boards', 'alerts', 'hostile', 'looks']].map((those) => those.filter((it) => !only || it === only))
// Only now: the fixture serves what was just built.
const { open } = await import('./browser.mjs')
const browser = await open()
let failed = 0

async function part(name) {
  const began = Date.now()
  try {
    const { run } = await import(`./pages/${name}.mjs`)
    await run({ browser, say: (text) => console.log(`     ${text}`) })
    console.log(`ok   ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`)
  } catch (error) {
    failed++
    console.log(`FAIL ${name}: ${error.stack}`)
  }
}

for (const round of ROUNDS) await Promise.all(round.map(part))
await browser.close()
console.log(JSON.stringify({ judge: 'chromium', parts: ROUNDS.flat().length, failed }))
process.exit(failed === 0 ? 0 : 1)

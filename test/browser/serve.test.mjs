// The page of a server in Chromium: npm run test:browser.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'
import { loadModel, serve } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { chatModel } from '../helpers/served.mjs'
import { sleep } from '../helpers/stress.mjs'

const executablePath = process.env.CHROMIUM_PATH
const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } }

const root = temporaryFolder()
let [browser, server, tiny, wide] = []

before(async () => {
  assert.ok(executablePath, 'CHROMIUM_PATH: run npm run test:browser, which finds it')
  const [target, base, chat] = await Promise.all(
    [1, 2, 3].map((seed) => chatModel(root, `m${seed}`, { seed })),
  )
  tiny = await loadModel(target, { threads: 1, serving: true })
  const folder = await chatModel(root, 'wide', { width: 256, layers: 4 })
  wide = await loadModel(folder, { threads: 1, serving: true })
  server = await serve({
    models: { tiny, wide },
    deltas: { manners: { base, chat } },
    port: 0,
    apiKey: 'secret',
  })
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})

after(async () => {
  await browser?.close()
  await server?.close()
  await Promise.all([tiny, wide].map((model) => model?.dispose()))
})

/** Opens the page, shows it the key; with everything that it asks for and complains of. */
async function opened({ colorScheme = 'light', viewport = SIZES.desktop } = {}) {
  const context = await browser.newContext({ colorScheme, viewport })
  const tab = await context.newPage()
  const heard = { requests: [], complaints: [] }
  tab.on('request', (request) => heard.requests.push(request.url()))
  tab.on('pageerror', (error) => heard.complaints.push(String(error)))
  tab.on('console', (message) => {
    if (!/401/.test(message.text())) heard.complaints.push(message.text())
  })
  await tab.goto(server.url)
  await tab.getByLabel('API key').fill('secret')
  await tab.getByLabel('API key').press('Enter')
  await tab.locator('#left .model option').first().waitFor({ state: 'attached' })
  await tab.getByLabel('Temperature').fill('0')
  await tab.getByLabel('Longest answer').fill('12')
  return { tab, heard, context }
}

const answered = async (tab, text) => {
  await tab.getByLabel('Your message').fill(text)
  await tab.getByRole('button', { name: 'Send' }).click()
  await tab.waitForFunction(() => document.querySelector('#stop').disabled)
}
const last = (tab, side) => tab.locator(`#${side} .assistant`).last().textContent()
const messages = [{ role: 'user', content: 'what is red ?' }]
const alone = async (model) => (await model.chat(messages, { maxNewTokens: 12 }).result).text

test('a question is answered as the model answers, with tokens and speed, and the talk goes on', async () => {
  const { tab, heard, context } = await opened()
  await answered(tab, messages[0].content)
  assert.equal(await last(tab, 'left'), await alone(tiny))
  assert.match(
    await tab.locator('#left .figures').textContent(),
    /^\d+ tokens read, \d+ written, [\d.]+ a second, first after \d+ ms$/,
  )
  await answered(tab, 'and blue ?')
  assert.equal(await tab.locator('#left .turn').count(), 4)
  await tab.getByRole('button', { name: 'Forget' }).click()
  assert.equal(await tab.locator('.turn').count(), 0)
  assert.deepEqual(heard.complaints, [])
  for (const url of heard.requests) assert.ok(url.startsWith(`${server.url}/`), url)
  await context.close()
})

test('two scales of a chat vector stand side by side, each on its own weights', async () => {
  const { tab, context } = await opened()
  await tab.getByLabel('Compare').check()
  for (const [side, delta, scale] of [
    ['left', 'none'],
    ['right', 'manners', '1.5'],
  ]) {
    await tab.locator(`#${side} .model`).selectOption('tiny')
    await tab.locator(`#${side} .delta`).selectOption(delta)
    if (scale) await tab.locator(`#${side} .scale`).fill(scale)
  }
  assert.equal(await tab.locator('#right output').textContent(), '1.50')
  await answered(tab, messages[0].content)
  const grafted = await alone(tiny) // as the right side has left it
  assert.equal(await last(tab, 'right'), grafted)
  await tiny.ungraft()
  const plain = await alone(tiny)
  assert.notEqual(plain, grafted)
  assert.equal(await last(tab, 'left'), plain)
  await context.close()
})

test('an answer can be stopped, and what the server refuses is told', async () => {
  const { tab, context } = await opened()
  await tab.locator('#left .model').selectOption('wide')
  await tab.getByLabel('Longest answer').fill('100000')
  await tab.getByLabel('Your message').fill('what ?')
  const before = wide.stats().ended
  await tab.getByLabel('Your message').press('Enter')
  await tab.getByRole('button', { name: 'Stop' }).click()
  await tab.waitForFunction(() => document.querySelector('#stop').disabled)
  while (wide.stats().running > 0) await sleep(5)
  assert.ok(wide.stats().ended - before <= 1)
  await answered(tab, 'the '.repeat(300))
  assert.match(await tab.getByRole('alert').textContent(), /Expected a prompt of 1 to 255 tokens/)
  await context.close()
})

for (const colorScheme of ['light', 'dark'])
  for (const [size, viewport] of Object.entries(SIZES))
    test(`on a ${size} in ${colorScheme} everything is in view`, async () => {
      const { tab, heard, context } = await opened({ colorScheme, viewport })
      await tab.getByLabel('Compare').check()
      await answered(tab, messages[0].content)
      const kept = process.env.TONGUEFORGE_SCREENSHOTS
      if (kept) {
        mkdirSync(kept, { recursive: true })
        await tab.screenshot({ path: join(kept, `serve-${size}-${colorScheme}.png`), fullPage: true })
      }
      const width = await tab.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(width <= viewport.width, `${width} pixels wide in ${viewport.width}`)
      assert.deepEqual(heard.complaints, [])
      await context.close()
    })

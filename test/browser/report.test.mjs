// The page of a report in Chromium: npm run test:browser.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import { report } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeRuns } from '../helpers/report_runs.mjs'

const executablePath = process.env.CHROMIUM_PATH
const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } }

const folder = temporaryFolder()
let browser
let page

before(async () => {
  assert.ok(executablePath, 'CHROMIUM_PATH: run npm run test:browser, which finds it')
  const result = await report(writeRuns(folder), {
    out: join(folder, 'report.html'),
    title: 'Llama for Taiwan',
  })
  page = pathToFileURL(result.page).href
  // A sandbox of its own needs rights that a container seldom gives; the page is ours and runs nothing.
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})

after(() => browser?.close())

/** Opens the page, with everything that it asks for and complains of. */
async function opened({ colorScheme = 'light', viewport = SIZES.desktop } = {}) {
  const context = await browser.newContext({ colorScheme, viewport })
  const tab = await context.newPage()
  const heard = { requests: [], complaints: [] }
  tab.on('request', (request) => heard.requests.push(request.url()))
  tab.on('console', (message) => heard.complaints.push(message.text()))
  tab.on('pageerror', (error) => heard.complaints.push(String(error)))
  await tab.goto(page)
  return { tab, heard, context }
}

const unfold = (tab) =>
  tab.evaluate(() => {
    for (const folded of document.querySelectorAll('details')) folded.open = true
  })

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    test(`on a ${size} in ${colorScheme} everything is in view, and nothing is fetched or complained of`, async () => {
      const { tab, heard, context } = await opened({ colorScheme, viewport })
      assert.deepEqual(heard.requests, [page])
      assert.deepEqual(heard.complaints, [])
      const kept = process.env.TONGUEFORGE_SCREENSHOTS
      if (kept) {
        mkdirSync(kept, { recursive: true })
        await tab.screenshot({ path: join(kept, `report-${size}-${colorScheme}.png`), fullPage: true })
      }
      await unfold(tab)
      const width = await tab.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(width <= viewport.width, `${width} pixels wide in ${viewport.width}`)
      const charts = await tab.locator('figure.chart svg').all()
      assert.ok(charts.length >= 15, `${charts.length} charts`)
      for (const chart of charts) {
        const box = await chart.boundingBox()
        assert.ok(box && box.width > 200 && box.height > 60, JSON.stringify(box))
        assert.ok(box.x >= 0 && box.x + box.width <= viewport.width, JSON.stringify(box))
      }
      await context.close()
    })
  }

  test(`in ${colorScheme} all text stands out from what is behind it, 4.5 to 1 or more`, async () => {
    const { tab, context } = await opened({ colorScheme })
    await unfold(tab)
    const found = await tab.evaluate(contrasts)
    assert.ok(found.length > 300, `${found.length} pieces of text`)
    const faint = found.filter(({ ratio }) => ratio < 4.5)
    assert.deepEqual(faint.slice(0, 5), [])
    await context.close()
  })
}

/** Runs in the page: the contrast of each piece of text, of charts too, by the rule of WCAG 2. */
function contrasts() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const channels = (colour) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data]
  }
  const luminance = (colour) => {
    const [r, g, b] = channels(colour)
      .slice(0, 3)
      .map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor
      if (channels(colour)[3] === 255) return colour
    }
    return 'white'
  }
  const texts = [...document.querySelectorAll('body *')].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== ''),
  )
  return texts.map((element) => {
    const style = getComputedStyle(element)
    const colour = element instanceof SVGElement ? style.fill : style.color
    const [least, most] = [luminance(colour), luminance(behind(element))].sort((a, b) => a - b)
    return { ratio: (most + 0.05) / (least + 0.05), text: element.textContent.slice(0, 40), colour }
  })
}

test('headings come in order, and whoever does not see has names for charts, tables and parts', async () => {
  const { tab, context } = await opened()
  const levels = await tab.evaluate(() =>
    [...document.querySelectorAll('h1, h2, h3, h4, h5')].map(({ tagName }) => Number(tagName[1])),
  )
  assert.equal(levels[0], 1)
  assert.equal(levels.filter((level) => level === 1).length, 1)
  for (const [i, level] of levels.entries()) assert.ok(i === 0 || level <= levels[i - 1] + 1, `heading ${i}`)
  const nameless = await tab.evaluate(() => ({
    charts: [...document.querySelectorAll('figure svg')].filter((svg) => !svg.getAttribute('aria-label'))
      .length,
    tables: [...document.querySelectorAll('table')].filter((table) => !table.caption?.textContent).length,
    heads: [...document.querySelectorAll('th')].filter((head) => !head.scope).length,
  }))
  assert.deepEqual(nameless, { charts: 0, tables: 0, heads: 0 })
  await context.close()
})

test('what a link offers is taken away as a file', async () => {
  const { tab, context } = await opened()
  for (const name of ['report.json', '1-inscp-loss.svg']) {
    const wait = tab.waitForEvent('download')
    await tab.locator(`a[download="${name}"]`).click()
    const download = await wait
    assert.equal(download.suggestedFilename(), name)
    assert.equal(await download.failure(), null)
  }
  await context.close()
})

test('it prints, every chart on a sheet', async () => {
  const { tab, context } = await opened({ colorScheme: 'dark' })
  const sheets = await tab.pdf({ format: 'A4' })
  assert.ok(sheets.subarray(0, 5).toString() === '%PDF-' && sheets.length > 50_000)
  await tab.emulateMedia({ media: 'print' })
  const { ink, paper } = await tab.evaluate(() => {
    const { color, backgroundColor } = getComputedStyle(document.body)
    return { ink: color, paper: backgroundColor }
  })
  assert.deepEqual({ ink, paper }, { ink: 'rgb(0, 0, 0)', paper: 'rgb(255, 255, 255)' })
  await context.close()
})

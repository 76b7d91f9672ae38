// Programs that answer with JSON, a line each; all that they say goes to a log as well.
import { spawn } from 'node:child_process'
import { appendFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

export class Children {
  constructor(log, seconds) {
    Object.assign(this, { log, seconds, begun: false })
  }

  #note(text) {
    const write = this.begun ? appendFileSync : writeFileSync
    write(this.log, `${text}\n`)
    this.begun = true
  }

  /**
   * Runs one to its end, or ends it after the time allowed. Answers with its JSON lines as rows of `who`, and a last row
   * {who, error} where it failed, or {who, passed} where it said nothing in JSON.
   */
  run(who, command, args, env = {}) {
    const started = performance.now()
    this.#note(`\n$ ${[command, ...args].join(' ')}`)
    return new Promise((done) => {
      const rows = []
      let [last, cut] = ['', false]
      const child = spawn(command, args, {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const timer = setTimeout(() => {
        cut = true
        child.kill('SIGKILL')
      }, this.seconds * 1000)
      const hear = (line) => {
        this.#note(line)
        if (line.trim()) last = line.trim()
        if (line.startsWith('{')) rows.push({ who, ...JSON.parse(line) })
      }
      createInterface({ input: child.stdout }).on('line', hear)
      createInterface({ input: child.stderr }).on('line', (line) => {
        this.#note(line)
        if (/error|Error|assert/.test(line)) last = line.trim()
      })
      child.on('error', (error) => hear(error.message))
      child.on('close', (code) => {
        clearTimeout(timer)
        const seconds = Number(((performance.now() - started) / 1000).toFixed(1))
        this.#note(`# ${who}: exit code ${code} after ${seconds} s`)
        if (cut) rows.push({ who, error: `cut after ${this.seconds} s` })
        else if (code !== 0) rows.push({ who, error: `exit code ${code}: ${last.slice(0, 200)}` })
        else if (rows.length === 0) rows.push({ who, passed: last.slice(0, 200), seconds })
        done(rows)
      })
    })
  }
}

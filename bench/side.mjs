// One side of a bench that two programs take in turns: it is asked a line at a time, and answers each with a line of JSON.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export class Side {
  constructor(command, args) {
    // Threads that wait asleep on both sides: each waits while the other works.
    const env = { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' }
    this.child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }
  async read() {
    const { value, done } = await this.lines.next()
    if (done) throw new Error(`${this.child.spawnfile} ended early; its message is above`)
    return JSON.parse(value)
  }
  ask(line) {
    this.child.stdin.write(`${line}\n`)
    return this.read()
  }
  end() {
    this.child.stdin.end()
  }
}

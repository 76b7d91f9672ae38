/// <reference lib="dom" />
/** Runs in the page of a server: talks with one model, or with two of them side by side. */
export {}

interface ServedModel {
  id: string
  kind: string
  deltas?: string[]
}

interface Message {
  role: string
  content: string
}

const find = <E extends Element>(selector: string, within: ParentNode = document): E =>
  within.querySelector<E>(selector)!
const value = (selector: string) => find<HTMLInputElement>(selector).value

function add<Tag extends keyof HTMLElementTagNameMap>(to: Element, tag: Tag, text: string, className = '') {
  const element = to.appendChild(document.createElement(tag))
  element.textContent = text
  element.className = className
  return element
}

/** Asks the server; what it refuses is thrown in its own words. */
async function ask(path: string, init: RequestInit & { json?: unknown } = {}): Promise<Response> {
  const key = value('#key input')
  const headers: Record<string, string> = key === '' ? {} : { authorization: `Bearer ${key}` }
  const { json, ...rest } = init
  if (json !== undefined) {
    headers['content-type'] = 'application/json'
    rest.body = JSON.stringify(json)
  }
  const response = await fetch(path, { ...rest, headers })
  if (response.ok) return response
  if (response.status === 401) find<HTMLElement>('#key').hidden = false
  const told = await response.json().catch(() => undefined)
  throw new Error(told?.error?.message ?? `The server answers ${response.status}`)
}

/** Objects of a stream of server-sent events, up to its end. */
async function* events(response: Response) {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const whole = (rest + part.value).split('\n\n')
    rest = whole.pop()!
    for (const event of whole) {
      const data = event.replace(/^data: /, '')
      if (data !== '[DONE]') yield JSON.parse(data)
    }
  }
}

/** One of the two conversations. */
class Side {
  private readonly root: HTMLElement
  private readonly log: HTMLElement
  private messages: Message[] = []

  constructor(name: string) {
    this.root = find(`#${name}`)
    this.log = find('.talk-of', this.root)
    find('.scale', this.root).addEventListener('input', () => this.showScale())
    find('.delta', this.root).addEventListener('change', () => this.showVector())
    find('.model', this.root).addEventListener('change', () => this.showVector())
  }

  offer(models: readonly ServedModel[], chosen: number, delta: number): void {
    const select = find<HTMLSelectElement>('.model', this.root)
    for (const { id } of models) add(select, 'option', id)
    select.selectedIndex = Math.min(chosen, models.length - 1)
    const vectors = find<HTMLSelectElement>('.delta', this.root)
    const deltas = [...new Set(models.flatMap(({ deltas = [] }) => deltas))]
    for (const name of ['none', ...deltas]) add(vectors, 'option', name)
    vectors.selectedIndex = Math.min(delta, deltas.length)
    this.showVector()
  }

  forget(): void {
    this.messages = []
    this.log.textContent = ''
    this.figures('')
  }

  /** Puts the vector on, asks, and resolves when the answer has begun: with a promise of its end. */
  async begin(prompt: string, signal: AbortSignal): Promise<() => Promise<void>> {
    const begun = performance.now()
    await this.swap(signal)
    this.messages.push({ role: 'user', content: prompt })
    add(this.log, 'p', prompt, 'turn user')
    const turn = add(this.log, 'p', '', 'turn assistant')
    const json = {
      ...{
        model: this.model,
        messages: this.messages,
        stream: true,
        stream_options: { include_usage: true },
      },
      ...{ temperature: Number(value('#temperature')), max_completion_tokens: Number(value('#longest')) },
    }
    try {
      const response = await ask('v1/chat/completions', { method: 'POST', json, signal })
      return () => this.read(response, turn, begun)
    } catch (error) {
      this.messages.pop()
      turn.remove()
      throw error
    }
  }

  private get model(): string {
    return find<HTMLSelectElement>('.model', this.root).value
  }

  /** Live: requests that run elsewhere end on the weights that they began with. */
  private async swap(signal: AbortSignal): Promise<void> {
    const delta = find<HTMLSelectElement>('.delta', this.root)
    if (delta.options.length < 2) return
    const path = `v1/models/${encodeURIComponent(this.model)}/graft`
    const scale = Number(find<HTMLInputElement>('.scale', this.root).value)
    const json = { delta: delta.value, scale }
    await (delta.selectedIndex === 0
      ? ask(path, { method: 'DELETE', signal })
      : ask(path, { method: 'PUT', json, signal }))
  }

  private async read(response: Response, turn: HTMLElement, begun: number): Promise<void> {
    const first = performance.now()
    let tokens = 0
    let text = ''
    try {
      for await (const { choices = [], usage, error } of events(response)) {
        if (error) throw new Error(error.message)
        const piece = choices[0]?.delta?.content ?? ''
        if (piece !== '') tokens++
        text += piece
        turn.textContent = text
        this.log.scrollTop = this.log.scrollHeight
        tokens = usage?.completion_tokens ?? tokens
        const seconds = (performance.now() - first) / 1000
        const prompt = usage ? `${usage.prompt_tokens} tokens read, ` : ''
        const wait = Math.round(first - begun)
        this.figures(
          `${prompt}${tokens} written, ${(tokens / seconds).toFixed(1)} a second, first after ${wait} ms`,
        )
      }
    } finally {
      this.messages.push({ role: 'assistant', content: text })
    }
  }

  private figures(text: string): void {
    find('.figures', this.root).textContent = text
  }

  private showVector(): void {
    const select = find<HTMLSelectElement>('.delta', this.root)
    for (const label of this.root.querySelectorAll<HTMLElement>('.vector'))
      label.hidden =
        select.options.length < 2 || (label.classList.contains('scaled') && select.selectedIndex === 0)
    this.showScale()
  }

  private showScale(): void {
    const scale = Number(find<HTMLInputElement>('.scale', this.root).value)
    find('output', this.root).textContent = scale.toFixed(2)
  }
}

const sides = ['left', 'right'].map((name) => new Side(name))
let stop = new AbortController()

function problem(error: unknown): void {
  find('#problem').textContent = (error as Error).name === 'AbortError' ? '' : (error as Error).message
}

function busy(is: boolean): void {
  find<HTMLButtonElement>('#send').disabled = is
  find<HTMLButtonElement>('#stop').disabled = !is
}

async function send(): Promise<void> {
  const prompt = value('#prompt').trim()
  if (prompt === '' || find<HTMLButtonElement>('#send').disabled) return
  busy(true)
  problem(new Error())
  stop = new AbortController()
  const comparing = find<HTMLInputElement>('#compare').checked
  const ends: Promise<void>[] = []
  try {
    // One after the other, as both may want the same model with another vector; from the first token on, together.
    for (const side of comparing ? sides : sides.slice(0, 1))
      ends.push((await side.begin(prompt, stop.signal))())
    find<HTMLTextAreaElement>('#prompt').value = ''
  } catch (error) {
    problem(error)
  }
  for (const { status, reason } of (await Promise.allSettled(ends)) as PromiseRejectedResult[])
    if (status === 'rejected') problem(reason)
  busy(false)
  find<HTMLTextAreaElement>('#prompt').focus()
}

let offered = false

async function look(): Promise<void> {
  try {
    const { data } = (await (await ask('v1/models')).json()) as { data: ServedModel[] }
    const models = data.filter(({ kind }) => kind === 'decoder')
    find('#lead').textContent =
      models.length === 0 ? 'No model here writes text.' : 'Nothing leaves this server.'
    // Two models are compared as they are; one model with itself under a vector.
    const alone = models.length === 1
    if (!offered) for (const [i, side] of sides.entries()) side.offer(models, i, alone ? i : 0)
    offered = true
    problem(new Error())
  } catch (error) {
    problem(error)
  }
}

find('#ask').addEventListener('submit', (event) => {
  event.preventDefault()
  void send()
})
find('#prompt').addEventListener('keydown', (event) => {
  const { key, shiftKey, isComposing } = event as KeyboardEvent
  if (key !== 'Enter' || shiftKey || isComposing) return
  event.preventDefault()
  void send()
})
find('#stop').addEventListener('click', () => stop.abort())
find('#reset').addEventListener('click', () => {
  for (const side of sides) side.forget()
})
find('#compare').addEventListener('change', ({ target }) => {
  document.body.classList.toggle('comparing', (target as HTMLInputElement).checked)
})
find('#key').addEventListener('submit', (event) => {
  event.preventDefault()
  void look()
})
void look()

// Server-sent events, from text in pieces to messages: as in the HTML standard, section 9.2.6.

export interface Message { event: string; data: string; id: string | null }

/** Longest message that is kept, in characters. A longer one is not ours. */
const MESSAGE_MAX = 8 * 1024 * 1024

/** Takes text as it comes and gives the messages that are whole. */
export class SseReader {
  #rest = ''
  #event = ''
  #data: string[] = []
  #length = 0
  #id: string | null = null

  push(text: string): Message[] {
    const messages: Message[] = []
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > MESSAGE_MAX) throw new Error('a message is too long')
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length > 0) messages.push({ event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id })
        this.#event = ''
        this.#data = []
        this.#length = 0
        continue
      }
      this.#line(line)
    }
    return messages
  }

  #line(line: string) {
    if (line.startsWith(':')) return
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'event') this.#event = value
    else if (name === 'id') this.#id = value
    else if (name === 'data') {
      this.#length += value.length
      if (this.#length > MESSAGE_MAX) throw new Error('a message is too long')
      this.#data.push(value)
    }
  }
}

// A protocol client for tests: sends exactly the bytes it is told to and reads messages into a readable form. Hides nothing, repairs nothing.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'

export interface Message {
  type: string
  body: Buffer
}

const cstring = (text: string): Buffer => Buffer.from(`${text}\0`)
const int32 = (n: number): Buffer => {
  const b = Buffer.alloc(4)
  b.writeInt32BE(n | 0)
  return b
}
const int16 = (n: number): Buffer => {
  const b = Buffer.alloc(2)
  b.writeUInt16BE(n)
  return b
}

export function frame(type: string, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}

type Parameter = string | Buffer | null

/** Builders of the client's messages. */
export const msg = {
  startup(parameters: Record<string, string>, version = 0x30000): Buffer {
    const body = Buffer.concat([
      int32(version),
      ...Object.entries(parameters).flatMap(([name, value]) => [cstring(name), cstring(value)]),
      Buffer.from([0]),
    ])
    return Buffer.concat([int32(body.length + 4), body])
  },
  sslRequest: () => Buffer.concat([int32(8), int32(80877103)]),
  gssencRequest: () => Buffer.concat([int32(8), int32(80877104)]),
  cancelRequest: (pid: number, secret: Buffer) => Buffer.concat([int32(12 + secret.length), int32(80877102), int32(pid), secret]),
  query: (text: string) => frame('Q', cstring(text)),
  parse: (name: string, text: string, types: number[] = []) =>
    frame('P', cstring(name), cstring(text), int16(types.length), ...types.map(int32)),
  bind(portal: string, statement: string, values: Parameter[] = [], formats: number[] = [], resultFormats: number[] = []): Buffer {
    const parts = values.flatMap((value) => {
      if (value === null) return [int32(-1)]
      const bytes = Buffer.from(value)
      return [int32(bytes.length), bytes]
    })
    return frame(
      'B',
      cstring(portal),
      cstring(statement),
      int16(formats.length),
      ...formats.map(int16),
      int16(values.length),
      ...parts,
      int16(resultFormats.length),
      ...resultFormats.map(int16),
    )
  },
  describe: (kind: 'S' | 'P', name: string) => frame('D', Buffer.from(kind), cstring(name)),
  execute: (portal: string, maxRows = 0) => frame('E', cstring(portal), int32(maxRows)),
  close: (kind: 'S' | 'P', name: string) => frame('C', Buffer.from(kind), cstring(name)),
  sync: () => frame('S'),
  flush: () => frame('H'),
  terminate: () => frame('X'),
  copyData: (data: string | Buffer) => frame('d', Buffer.from(data)),
  copyDone: () => frame('c'),
  copyFail: (text: string) => frame('f', cstring(text)),
  functionCall: () => frame('F', int32(1), int16(0), int16(0), int16(0)),
  password: (text: string) => frame('p', cstring(text)),
}

export class WireClient {
  socket: Socket
  #buffer = Buffer.alloc(0)
  #ended = false
  #wake: (() => void)[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    this.#listen(socket)
  }

  static async connect(port: number): Promise<WireClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new WireClient(socket)
  }

  /** TLS from the first byte. */
  static async connectTls(port: number, alpn: string[] = ['postgresql']): Promise<WireClient> {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: alpn })
    await once(socket, 'secureConnect')
    return new WireClient(socket)
  }

  /** A session, ready for queries; authentication must be trust. */
  static async session(port: number, parameters: Record<string, string> = { user: 'u' }): Promise<WireClient> {
    const client = await WireClient.connect(port)
    client.send(msg.startup(parameters))
    await client.until('Z')
    return client
  }

  #listen(socket: Socket): void {
    const wake = (): void => {
      const waiting = this.#wake
      this.#wake = []
      for (const resolve of waiting) resolve()
    }
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk])
      wake()
    })
    socket.on('error', () => {})
    socket.on('end', () => {
      this.#ended = true
      wake()
    })
    socket.on('close', () => {
      this.#ended = true
      wake()
    })
  }

  /** Goes on under TLS after SSLRequest was answered with S. */
  async upgrade(): Promise<TLSSocket> {
    const raw = this.socket
    raw.removeAllListeners('data')
    const secured = tlsConnect({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ['postgresql'] })
    await once(secured, 'secureConnect')
    this.socket = secured
    this.#listen(secured)
    return secured
  }

  send(...bytes: Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes))
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new Error(`connection ended; unread: ${this.#buffer.toString('latin1')}`)
    await new Promise<void>((resolve) => this.#wake.push(resolve))
  }

  /** One raw byte (the answer to SSLRequest). */
  async byte(): Promise<string> {
    while (this.#buffer.length < 1) await this.#more()
    const byte = this.#buffer.toString('latin1', 0, 1)
    this.#buffer = this.#buffer.subarray(1)
    return byte
  }

  async receive(): Promise<Message> {
    while (this.#buffer.length < 5 || this.#buffer.length < 1 + this.#buffer.readInt32BE(1)) await this.#more()
    const size = 1 + this.#buffer.readInt32BE(1)
    const message = { type: this.#buffer.toString('latin1', 0, 1), body: Buffer.from(this.#buffer.subarray(5, size)) }
    this.#buffer = this.#buffer.subarray(size)
    return message
  }

  /** Messages up to and including the `count`-th of `type`. */
  async until(type: string, count = 1): Promise<Message[]> {
    const messages: Message[] = []
    for (let seen = 0; seen < count; ) {
      const message = await this.receive()
      messages.push(message)
      if (message.type === type) seen++
    }
    return messages
  }

  /** Readable form of the messages up to ReadyForQuery. */
  async answer(count = 1): Promise<string[]> {
    return (await this.until('Z', count)).map(show)
  }

  /** All messages until the server closes. */
  async untilEnd(): Promise<string[]> {
    const shown: string[] = []
    for (;;) {
      try {
        shown.push(show(await this.receive()))
      } catch {
        if (this.#buffer.length > 0) shown.push(`unread ${this.#buffer.toString('latin1')}`)
        return shown
      }
    }
  }

  /** Bytes received and not read yet. */
  get pending(): number {
    return this.#buffer.length
  }

  end(): void {
    this.socket.destroy()
  }
}

/** The fields of an ErrorResponse or NoticeResponse by code. */
export function fields(body: Buffer): Record<string, string> {
  const found: Record<string, string> = {}
  let at = 0
  while (body[at] !== 0) {
    const end = body.indexOf(0, at)
    found[String.fromCharCode(body[at]!)] = body.toString('utf8', at + 1, end)
    at = end + 1
  }
  return found
}

/** One line per message: name and what is in it. */
export function show(message: Message): string {
  const { type, body } = message
  switch (type) {
    case 'R': {
      const code = body.readInt32BE(0)
      return code === 0 ? 'AuthenticationOk' : `Authentication ${code} ${body.toString('latin1', 4).replaceAll('\0', '|')}`
    }
    case 'S':
      return `ParameterStatus ${body.toString('utf8', 0, body.length - 1).replace('\0', '=')}`
    case 'K':
      return `BackendKeyData ${body.length}`
    case 'Z':
      return `ReadyForQuery ${body.toString('latin1')}`
    case 'T': {
      const names: string[] = []
      let at = 2
      for (let i = body.readUInt16BE(0); i > 0; i--) {
        const end = body.indexOf(0, at)
        names.push(`${body.toString('utf8', at, end)}:${body.readUInt32BE(end + 7)}:${body.readInt16BE(end + 17)}`)
        at = end + 19
      }
      return `RowDescription ${names.join(' ')}`
    }
    case 'D': {
      const values: string[] = []
      let at = 2
      for (let i = body.readUInt16BE(0); i > 0; i--) {
        const length = body.readInt32BE(at)
        at += 4
        values.push(length < 0 ? 'NULL' : JSON.stringify(body.toString('utf8', at, at + length)))
        at += Math.max(length, 0)
      }
      return `DataRow ${values.join(' ')}`
    }
    case 'C':
      return `CommandComplete ${body.toString('utf8', 0, body.length - 1)}`
    case 'E':
    case 'N': {
      const f = fields(body)
      return `${type === 'E' ? 'ErrorResponse' : 'NoticeResponse'} ${f['S']} ${f['C']} ${f['M']}`
    }
    case 't': {
      const types = Array.from({ length: body.readUInt16BE(0) }, (_, i) => body.readUInt32BE(2 + 4 * i))
      return `ParameterDescription ${types.join(' ')}`
    }
    case 'G':
      return `CopyInResponse ${body[0]} ${body.readUInt16BE(1)}`
    case 'H':
      return `CopyOutResponse ${body[0]} ${body.readUInt16BE(1)}`
    case 'd':
      return `CopyData ${JSON.stringify(body.toString('utf8'))}`
    case 'A': {
      const [channel, payload] = body.toString('utf8', 4).split('\0')
      return `NotificationResponse ${body.readInt32BE(0)} ${channel} ${payload}`
    }
    case 'v':
      return `NegotiateProtocolVersion ${body.readInt32BE(0).toString(16)} ${body.readInt32BE(4)} ${body.toString('utf8', 8).replaceAll('\0', '|')}`
    default:
      return (
        {
          '1': 'ParseComplete',
          '2': 'BindComplete',
          '3': 'CloseComplete',
          n: 'NoData',
          s: 'PortalSuspended',
          I: 'EmptyQueryResponse',
          c: 'CopyDone',
        }[type] ?? `unknown ${type}`
      )
  }
}

// Sockets that read into one buffer: each gets copies of its own, and its server counts and ends as ever.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { withSharedInput } from '../../../src/pgwire/shared-input.ts'

interface Handle {
  useUserBuffer?: unknown
}

/** A server whose connections go through `prepare` first, and everything that each of them has sent. */
async function listening(prepare: (socket: Socket) => void) {
  const served: { socket: Socket; sameSocket: boolean; chunks: Buffer[] }[] = []
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (accepted) => {
    prepare(accepted)
    const socket = withSharedInput(accepted)
    const chunks: Buffer[] = []
    served.push({ socket, sameSocket: socket === accepted, chunks })
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      socket.write(String(Buffer.concat(chunks).length))
    })
    socket.on('end', () => socket.end('over'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, served, port: (server.address() as AddressInfo).port }
}

async function exchange(client: Socket, text: string): Promise<void> {
  client.write(text)
  await once(client, 'data')
}

describe.each([
  ['with the shared buffer', () => {}, false],
  ['where Node has none to offer', (socket: Socket) => void ((socket as { _handle?: Handle })._handle!.useUserBuffer = undefined), true],
] as const)('a socket %s', (_, prepare, sameSocket) => {
  it('keeps what it has read while others read, and closes as others do', async () => {
    const { server, served, port } = await listening(prepare)
    const clients = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
    await Promise.all(clients.map((client) => once(client, 'connect')))
    for (let round = 0; round < 5; round++)
      for (const [i, client] of clients.entries()) await exchange(client, `${i}${'abcde'[round]}`.repeat(50))
    const closed = once(server, 'close')
    server.close()
    const told = clients.map(async (client) => {
      client.end()
      await once(client, 'close')
    })
    await Promise.all([...told, closed])
    const texts = served.map(({ chunks }) => Buffer.concat(chunks).toString('latin1'))
    expect(texts.toSorted()).toEqual([0, 1].map((i) => [...'abcde'].map((letter) => `${i}${letter}`.repeat(50)).join('')))
    expect(served.every((connection) => connection.sameSocket === sameSocket)).toBe(true)
  })

  it('is paused and goes on, and loses nothing', async () => {
    const { server, served, port } = await listening(prepare)
    const client = connect(port, '127.0.0.1')
    await exchange(client, 'first')
    const { socket, chunks } = served[0]!
    socket.pause()
    const large = Buffer.alloc(3_000_000, 'x')
    client.write(large)
    client.end()
    // what waits to be read, and not how long, decides: nothing of it may come before it is asked for
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    expect(Buffer.concat(chunks).length).toBe(5)
    socket.resume()
    client.resume()
    await once(client, 'close')
    expect(Buffer.concat(chunks).length).toBe(5 + large.length)
    server.close()
  })
})

// A relay in front of a port, which can fall silent as a frozen process does: connections stay and new ones are accepted, but nothing comes back.

import net from 'node:net'

export interface Relay {
  readonly address: string
  freeze(): void
  close(): Promise<void>
}

export async function startRelay(target: string): Promise<Relay> {
  const [host, port] = target.split(':') as [string, string]
  const sockets = new Set<net.Socket>()
  let isFrozen = false
  const join = (from: net.Socket, to: net.Socket): void => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (bytes) => {
      if (!isFrozen) to.write(bytes)
    })
    from.on('error', () => undefined)
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }
  const server = net.createServer((client) => {
    const inner = net.connect(Number(port), host)
    join(client, inner)
    join(inner, client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    freeze: () => {
      isFrozen = true
    },
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

// Reading without an allocation of 64 KiB per read: what comes is read into one buffer that all sockets share, and each gets a copy of its size.
// Node offers that (`onread`) to those who make a Socket, but not through net.Server, so the accepted connection is put into a Socket of our own. // hot

import { Socket } from 'node:net'

/** libuv asks for as much. */
const INPUT = Buffer.allocUnsafeSlow(64 * 1024)

/** What net.Socket keeps its connection in; neither name is documented, so both are looked for before they are used. */
interface Carrier {
  _handle?: { useUserBuffer?: unknown } | null
}

/**
 * The same connection, whose 'data' events carry copies out of the shared buffer. `accepted`: from a server with `pauseOnConnect`, so that
 * nothing was read of it; not to be used afterwards. Where Node keeps connections in another way, `accepted` itself, reading as it always did.
 */
export function withSharedInput(accepted: Socket): Socket {
  const carrier = accepted as Carrier
  const handle = carrier._handle
  if (typeof handle?.useUserBuffer !== 'function') return accepted.resume()
  // without its connection it closes alone, and its server counts it no more
  carrier._handle = null
  accepted.destroy()
  const socket: Socket = new Socket({
    handle,
    allowHalfOpen: true,
    onread: {
      buffer: INPUT,
      callback(size: number) {
        const chunk = Buffer.allocUnsafe(size)
        INPUT.copy(chunk, 0, 0, size)
        socket.emit('data', chunk)
        return true
      },
    },
  } as ConstructorParameters<typeof Socket>[0])
  return socket
}

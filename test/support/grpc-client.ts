// A plain gRPC client over @grpc/grpc-js for tests: bytes in, bytes out, by path. Independent of the product's client and of the fake's server.

import * as grpc from '@grpc/grpc-js'

const asIs = (bytes: Buffer): Buffer => bytes

export interface CallFailure {
  readonly code: string
  readonly message: string
}

export class FailedCall extends Error {
  override name = 'FailedCall'
  readonly failure: CallFailure
  constructor(failure: CallFailure) {
    super(`${failure.code}: ${failure.message}`)
    this.failure = failure
  }
}

/** INVALID_ARGUMENT -> InvalidArgument, as Go writes codes. */
const goName = (code: number): string =>
  (grpc.status[code] ?? String(code))
    .toLowerCase()
    .split('_')
    .map((word) => word[0]!.toUpperCase() + word.slice(1))
    .join('')

export const failureOf = (error: grpc.ServiceError): CallFailure => ({ code: goName(error.code), message: error.details })

export interface TestStream {
  send(bytes: Buffer): void
  halfClose(): void
  close(): void
}

export interface TestClient {
  unary(path: string, bytes: Buffer, metadata?: Record<string, string>): Promise<Buffer>
  stream(
    path: string,
    onMessage: (bytes: Buffer) => void,
    onEnd: (failure: CallFailure) => void,
    metadata?: Record<string, string>,
  ): TestStream
  close(): void
}

export function connect(address: string): TestClient {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
  })
  const metadataOf = (entries: Record<string, string> = {}): grpc.Metadata => {
    const metadata = new grpc.Metadata()
    for (const [key, value] of Object.entries(entries)) metadata.set(key, value)
    return metadata
  }
  return {
    unary: (path, bytes, metadata) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, asIs, asIs, bytes, metadataOf(metadata), { deadline: Date.now() + 30_000 }, (error, value) => {
          if (error) reject(new FailedCall(failureOf(error)))
          else resolve(value!)
        })
      }),
    stream(path, onMessage, onEnd, metadata) {
      const call = client.makeBidiStreamRequest(path, asIs, asIs, metadataOf(metadata), {})
      let isEnded = false
      call.on('data', onMessage)
      call.on('error', (error: grpc.ServiceError) => {
        if (isEnded) return
        isEnded = true
        onEnd(failureOf(error))
      })
      call.on('status', (status: grpc.StatusObject) => {
        if (isEnded || status.code !== grpc.status.OK) return
        isEnded = true
        onEnd({ code: 'EOF', message: '' })
      })
      return {
        send: (bytes) => {
          call.write(bytes)
        },
        halfClose: () => {
          call.end()
        },
        close: () => {
          isEnded = true
          call.cancel()
        },
      }
    },
    close: () => client.close(),
  }
}

// The gRPC face of a store: unary calls and BatchCommands over the same commands, with the faults that tests plant in between.

import type { MaybePromise } from '../../src/base/maybe-promise.ts'
import { HealthCheck, HealthCheckRequest, HealthCheckResponse, ServingStatus } from '../../src/storage/tikv/proto/health.ts'
import type { AnyMessage } from '../../src/storage/tikv/proto/message.ts'
import { BATCH_CASE, BatchCommands, BatchCommandsRequest, BatchCommandsResponse, Tikv } from '../../src/storage/tikv/proto/tikvpb.ts'
import type { Faults } from './faults.ts'
import { GrpcError, type GrpcStream, type Handler, Status, type StreamHandler } from './grpc.ts'
import type { Handlers, MethodName } from './store-commands.ts'

type Run = (request: object) => MaybePromise<object>

const METHOD_OF_CASE = new Map(Object.entries(BATCH_CASE).map(([method, label]) => [label as string, method as MethodName]))
/** Answers that one message carries at most. */
const BATCH_MAX = 128

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export interface StoreService {
  find(path: string): Handler | undefined
}

export function createStoreService(storeId: bigint, handlers: Handlers, faults: Faults): StoreService {
  const dropped = (): GrpcError => new GrpcError(Status.UNAVAILABLE, 'connection dropped by a planted fault')

  const run = (method: MethodName, request: object): MaybePromise<object> => {
    faults.count(method, storeId)
    const execute = handlers[method] as unknown as Run
    const fault = faults.hit(method, request, storeId)
    if (fault === undefined) return execute(request)
    switch (fault.action) {
      case 'drop-request':
        throw dropped()
      case 'drop-response': {
        const answer = execute(request)
        if (answer instanceof Promise) {
          return answer.then(() => {
            throw dropped()
          })
        }
        throw dropped()
      }
      case 'duplicate': {
        const answer = execute(request)
        const again = execute(request)
        return again instanceof Promise ? again.then(() => answer) : answer
      }
      case 'delay':
        return later(fault.ms).then(() => execute(request))
      case 'region-error':
        return { region_error: fault.error }
    }
  }

  const unary = (method: MethodName): Handler => {
    const request = Tikv[method].request as unknown as AnyMessage
    const response = Tikv[method].response as unknown as AnyMessage
    return {
      kind: 'unary',
      call(bytes) {
        const answer = run(method, request.decode(bytes))
        return answer instanceof Promise ? answer.then((value) => response.encode(value)) : response.encode(answer)
      },
    }
  }

  const batch = (stream: GrpcStream): StreamHandler => {
    type Answer = { cmd: { case: string; value: object } }
    let responses: Answer[] = []
    let ids: bigint[] = []
    let isScheduled = false
    const flush = (): void => {
      isScheduled = false
      while (responses.length > 0) {
        const message = { responses: responses.slice(0, BATCH_MAX), request_ids: ids.slice(0, BATCH_MAX) }
        responses = responses.slice(BATCH_MAX)
        ids = ids.slice(BATCH_MAX)
        stream.send(BatchCommandsResponse.encode(message as Parameters<typeof BatchCommandsResponse.encode>[0]))
      }
    }
    const answer = (id: bigint, label: string, value: object): void => {
      if (!stream.isOpen) return
      responses.push({ cmd: { case: label, value } })
      ids.push(id)
      if (isScheduled) return
      isScheduled = true
      setImmediate(flush)
    }
    const fail = (error: unknown): void => {
      flush()
      if (error instanceof GrpcError) stream.end(error.code, error.message)
      else {
        process.stderr.write(`fake-tikv: ${error instanceof Error ? error.stack : String(error)}\n`)
        stream.end(Status.INTERNAL, error instanceof Error ? error.message : String(error))
      }
    }
    return {
      message(bytes) {
        const { requests, request_ids } = BatchCommandsRequest.decode(bytes)
        for (const [i, { cmd }] of requests.entries()) {
          const id = request_ids[i]!
          if (cmd === undefined) throw new GrpcError(Status.UNIMPLEMENTED, 'a command that this server does not know')
          if (cmd.case === 'Empty') {
            const { test_id } = cmd.value
            if (cmd.value.delay_time > 0n) setTimeout(() => answer(id, 'Empty', { test_id }), Number(cmd.value.delay_time))
            else answer(id, 'Empty', { test_id })
            continue
          }
          try {
            const result = run(METHOD_OF_CASE.get(cmd.case)!, cmd.value)
            if (result instanceof Promise) result.then((value) => answer(id, cmd.case, value), fail)
            else answer(id, cmd.case, result)
          } catch (error) {
            fail(error)
            return
          }
        }
      },
      halfClosed: () => {
        flush()
        stream.end()
      },
    }
  }

  const byPath = new Map<string, Handler>()
  for (const method of Object.keys(Tikv) as MethodName[]) byPath.set(Tikv[method].path, unary(method))
  byPath.set(BatchCommands.path, { kind: 'stream', open: batch })
  byPath.set(HealthCheck.path, {
    kind: 'unary',
    call(bytes) {
      HealthCheckRequest.decode(bytes)
      return HealthCheckResponse.encode({ status: ServingStatus.SERVING })
    },
  })
  return { find: (path) => byPath.get(path) }
}

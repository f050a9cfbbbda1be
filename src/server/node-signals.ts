// What arrives by mail (node-mail.ts) from other nodes: cancel requests and signals for sessions here, whose process ids say so, and questions
// (keyspace-peers.ts).

import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { Logger } from '../observability/log.ts'
import { type CancelKeys, createCancelKeys } from '../pgwire/cancel-keys.ts'
import type { BackendSignal } from '../session/services.ts'
import { answerPeer } from '../session/shared-views.ts'
import type { Ask } from './keyspace-peers.ts'
import type { Keyspaces } from './keyspaces.ts'
import { type NodeMail, nodeOfProcessId, processIdsOf } from './node-mail.ts'

type Message =
  | { readonly kind: 'cancel key'; readonly pid: number; readonly secret: string }
  | { readonly kind: BackendSignal; readonly pid: number; readonly keyspace: number }
  | Ask

export interface NodeSignals {
  readonly cancelKeys: CancelKeys
  isElsewhere(pid: number): boolean
  signal(keyspace: number, pid: number, signal: BackendSignal): void
}

export function createNodeSignals(mail: NodeMail, keyspaces: Keyspaces, log: Logger): NodeSignals {
  const own = createCancelKeys(processIdsOf(mail.number))
  const send = (pid: number, message: Message): void => mail.send(nodeOfProcessId(pid), JSON.stringify(message))
  mail.receive((text) => {
    const message = JSON.parse(text) as Message
    if (message.kind === 'cancel key') {
      own.request(message.pid, Buffer.from(message.secret, 'base64'))
      return
    }
    if (message.kind === 'ask') {
      const context = keyspaces.byId(message.keyspace)
      context?.peers
        ?.answer(message, answerPeer(context, message.question))
        .catch((error: Error) => log.warn({ err: error }, 'another node’s question was not answered'))
      return
    }
    const entry = keyspaces.byId(message.keyspace)?.sessions.get(message.pid)
    if (message.kind === 'cancel') entry?.cancel(new PgError(SQLSTATE.queryCanceled, 'canceling statement due to user request'))
    else {
      entry?.terminate(new PgError(SQLSTATE.adminShutdown, 'terminating connection due to administrator command', { severity: 'FATAL' }))
    }
  })
  const isElsewhere = (pid: number): boolean => pid > 0 && nodeOfProcessId(pid) > 0 && nodeOfProcessId(pid) !== mail.number
  return {
    cancelKeys: {
      issue: (length, cancel) => own.issue(length, cancel),
      release: (processId) => own.release(processId),
      request(processId, secret) {
        if (!isElsewhere(processId)) own.request(processId, secret)
        else send(processId, { kind: 'cancel key', pid: processId, secret: secret.toString('base64') })
      },
    },
    isElsewhere,
    signal: (keyspace, pid, signal) => send(pid, { kind: signal, pid, keyspace }),
  }
}

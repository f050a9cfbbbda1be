// LISTEN and NOTIFY: what a transaction asks for takes effect at its commit and not before; what is heard reaches the client when its session
// is outside a transaction. Between sessions stands the keyspace's bus (notification-bus.ts).

import { notSupported, PgError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { NodeOf } from '../sql/parser/nodes.ts'
import type { Transaction } from '../storage/store.ts'
import type { Notification, NotificationReceiver } from './notification-bus.ts'
import type { Session } from './session.ts'

/** PostgreSQL's NOTIFY_PAYLOAD_MAX_LENGTH. */
const MAX_PAYLOAD_BYTES = 8000
const OVERHEAD_BYTES = 64

const invalid = (message: string) => new PgError(SQLSTATE.invalidParameterValue, message)
const sizeOf = ({ channel, payload }: Notification) => OVERHEAD_BYTES + channel.length + payload.length

type Action = { readonly kind: 'listen' | 'unlisten'; readonly channel: string } | { readonly kind: 'unlisten all' }

export class SessionNotifications implements NotificationReceiver {
  readonly #session: Session
  /** Channels listened on, since a commit. */
  readonly #channels = new Set<string>()
  /** Of the open transaction, in order. */
  #actions: Action[] = []
  #said: Notification[] = []
  /** What #said holds, to say nothing twice in one transaction; made when it pays. */
  #saidKeys: Set<string> | null = null
  /** Heard while the session was busy or in a transaction. */
  #heard: { pid: number; notification: Notification }[] = []

  constructor(session: Session) {
    this.#session = session
  }

  get channels(): Iterable<string> {
    return this.#channels
  }

  run(node: NodeOf): string {
    if (node.ListenStmt !== undefined) {
      this.#act({ kind: 'listen', channel: node.ListenStmt.conditionname ?? '' })
      return 'LISTEN'
    }
    if (node.UnlistenStmt !== undefined) {
      const channel = node.UnlistenStmt.conditionname
      this.#act(channel === undefined || channel === '' ? { kind: 'unlisten all' } : { kind: 'unlisten', channel })
      return 'UNLISTEN'
    }
    if (node.NotifyStmt === undefined) throw notSupported('this statement is not one of LISTEN, NOTIFY, UNLISTEN')
    this.notify(node.NotifyStmt.conditionname ?? '', node.NotifyStmt.payload ?? '')
    return 'NOTIFY'
  }

  #act(action: Action): void {
    this.#actions.push(action)
  }

  notify(channel: string, payload: string): void {
    if (channel === '') throw invalid('channel name cannot be empty')
    if (Buffer.byteLength(channel) > LIMITS.maxIdentifierBytes) throw invalid('channel name too long')
    if (Buffer.byteLength(payload) >= MAX_PAYLOAD_BYTES) throw invalid('payload string too long')
    const key = `${channel}\0${payload}`
    if (this.#saidKeys === null) this.#saidKeys = new Set(this.#said.map((one) => `${one.channel}\0${one.payload}`))
    if (this.#saidKeys.has(key)) return
    this.#saidKeys.add(key)
    const notification = { channel, payload }
    this.#session.memory.charge(sizeOf(notification))
    this.#said.push(notification)
  }

  mark(): { said: number; actions: number } {
    return { said: this.#said.length, actions: this.#actions.length }
  }

  rollbackTo(mark: { said: number; actions: number }): void {
    this.#actions.length = Math.min(this.#actions.length, mark.actions)
    if (this.#said.length <= mark.said) return
    this.#forgetSaid(mark.said)
    this.#saidKeys = null
  }

  #forgetSaid(from: number): void {
    let bytes = 0
    for (let i = from; i < this.#said.length; i++) bytes += sizeOf(this.#said[i]!)
    this.#session.memory.release(bytes)
    this.#said.length = from
  }

  /** Before a commit: refuses when listeners have fallen too far behind. */
  beforeCommit(): void {
    if (this.#said.length === 0 || this.#session.keyspace.notifications.queuedBytes < LIMITS.notifyQueueBytes) return
    throw new PgError(SQLSTATE.programLimitExceeded, 'too many notifications in the NOTIFY queue')
  }

  /**
   * The last step before the commit: what has to be stored goes into the transaction, or, where that wrote nothing (null), into one of its own.
   * A LISTEN hears all that is committed after this.
   */
  store(txn: Transaction | null): MaybePromise<void> {
    if (this.#actions.length === 0 && this.#said.length === 0) return
    const { keyspace, entry } = this.#session
    const said = this.#said.slice()
    const stored = said.length === 0 ? undefined : keyspace.notifications.store(txn, entry.pid, said)
    if (!this.#actions.some(({ kind }) => kind === 'listen')) return stored
    return andThen(stored, () => keyspace.notifications.prepareListen())
  }

  transactionEnds(committed: boolean): void {
    if (this.#actions.length === 0 && this.#said.length === 0) return
    const { keyspace, entry } = this.#session
    const actions = this.#actions
    const said = this.#said.slice()
    this.#actions = []
    this.#forgetSaid(0)
    this.#saidKeys = null
    if (!committed) return
    for (const action of actions) this.#apply(action)
    if (said.length > 0) keyspace.notifications.publish(entry.pid, said)
  }

  #apply(action: Action): void {
    const bus = this.#session.keyspace.notifications
    if (action.kind === 'unlisten all') {
      this.unlistenAll()
      return
    }
    if (action.kind === 'listen') {
      this.#channels.add(action.channel)
      bus.listen(action.channel, this)
    } else if (this.#channels.delete(action.channel)) bus.unlisten(action.channel, this)
  }

  /** UNLISTEN *, DISCARD ALL. */
  unlistenAll(): void {
    for (const channel of this.#channels) this.#session.keyspace.notifications.unlisten(channel, this)
    this.#channels.clear()
  }

  hear(pid: number, notification: Notification): void {
    if (this.#session.entry.state === 'idle' && this.#heard.length === 0) {
      this.#session.client.notification(pid, notification.channel, notification.payload)
      return
    }
    this.#heard.push({ pid, notification })
    this.#session.keyspace.notifications.queuedBytes += sizeOf(notification)
  }

  /** The session is idle outside a transaction: its client is told what was heard meanwhile. */
  deliver(): void {
    if (this.#heard.length === 0) return
    const { client } = this.#session
    for (const { pid, notification } of this.#heard) client.notification(pid, notification.channel, notification.payload)
    this.#drop()
  }

  #drop(): void {
    const bus = this.#session.keyspace.notifications
    for (const { notification } of this.#heard) bus.queuedBytes -= sizeOf(notification)
    this.#heard = []
  }

  close(): void {
    this.unlistenAll()
    this.#drop()
  }
}

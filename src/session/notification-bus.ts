// The way of notifications from session to session, as a port: one per keyspace, in memory (here) or through the store (store-notifications.ts).

import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Transaction } from '../storage/store.ts'

export interface Notification {
  readonly channel: string
  readonly payload: string
}

/** A session as the bus sees it. */
export interface NotificationReceiver {
  hear(pid: number, notification: Notification): void
}

export interface NotificationBus {
  listen(channel: string, receiver: NotificationReceiver): void
  unlisten(channel: string, receiver: NotificationReceiver): void
  /** Before the commit of a transaction with LISTEN. */
  prepareListen(): MaybePromise<void>
  /** Before the commit of a transaction that said something: `txn` is it, null if it wrote nothing else. */
  store(txn: Transaction | null, pid: number, notifications: readonly Notification[]): MaybePromise<void>
  /** What a committed transaction of session `pid` said, in its order, to every listener, the sender's own session included. */
  publish(pid: number, notifications: readonly Notification[]): void
  /** Bytes that were published and not yet delivered, counted by the receivers. */
  queuedBytes: number
  close(): MaybePromise<void>
}

/** Who listens here. */
export class NotificationChannels {
  readonly #channels = new Map<string, Set<NotificationReceiver>>()

  get size(): number {
    return this.#channels.size
  }

  listen(channel: string, receiver: NotificationReceiver): void {
    const receivers = this.#channels.get(channel)
    if (receivers === undefined) this.#channels.set(channel, new Set([receiver]))
    else receivers.add(receiver)
  }

  unlisten(channel: string, receiver: NotificationReceiver): void {
    const receivers = this.#channels.get(channel)
    if (receivers?.delete(receiver) === true && receivers.size === 0) this.#channels.delete(channel)
  }

  deliver(pid: number, notifications: readonly Notification[]): void {
    for (const notification of notifications) {
      const receivers = this.#channels.get(notification.channel)
      if (receivers !== undefined) for (const receiver of receivers) receiver.hear(pid, notification)
    }
  }
}

/** Between the sessions of one process: nothing has to be stored. */
export function localNotificationBus(): NotificationBus {
  const channels = new NotificationChannels()
  return {
    queuedBytes: 0,
    listen: (channel, receiver) => channels.listen(channel, receiver),
    unlisten: (channel, receiver) => channels.unlisten(channel, receiver),
    prepareListen: () => undefined,
    store: () => undefined,
    publish: (pid, notifications) => channels.deliver(pid, notifications),
    close: () => undefined,
  }
}

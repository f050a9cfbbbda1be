// Notifications between nodes, through the keyspace: a queue in which each committing transaction appends what it said, in the order of the commits
// (the queue's head is locked from the append to the commit, as PostgreSQL's is). A node with listeners looks at the head several times a second,
// and at once after a commit of its own. Entries are kept for a while and then removed by those who append.

import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { msOf } from '../catalog/node-presence.ts'
import { eachPair } from '../storage/each-pair.ts'
import { META } from '../storage/meta-prefixes.ts'
import type { Keyspace, Transaction } from '../storage/store.ts'
import { type Notification, type NotificationBus, NotificationChannels, type NotificationReceiver } from './notification-bus.ts'

const HEAD_KEY = Buffer.from(`${META.notification}!`)
const ENTRY = META.notification
/** Between two looks at the head. */
const LOOK_MS = 50
/** A node that has not looked for so long has missed something. */
const KEPT_MS = 60_000
/** Entries in the queue at most; NOTIFY fails above. */
const MAX_ENTRIES = 100_000
const ENTRY_BYTES = 256 * 1024
/** Old entries removed by one that appends. */
const REMOVED_AT_ONCE = 16
const LOCK_TIMEOUT_MS = 30_000

interface Head {
  readonly last: number
  readonly oldest: number
}

interface Entry {
  readonly at: number
  readonly pid: number
  /** Channel and payload in turn. */
  readonly said: readonly string[]
}

const entryKey = (number: number): Buffer => Buffer.from(`${ENTRY}${number.toString(16).padStart(14, '0')}`, 'latin1')

function decodeHead(bytes: Buffer | null): Head {
  if (bytes === null) return { last: 0, oldest: 1 }
  const [last, oldest] = bytes.latin1Slice().split(' ').map(Number)
  return { last: last!, oldest: oldest! }
}

/** As many entries as the store's values need. */
function entriesOf(at: number, pid: number, notifications: readonly Notification[]): Buffer[] {
  const entries: Buffer[] = []
  let said: string[] = []
  let bytes = 0
  const flush = (): void => {
    if (said.length > 0) entries.push(Buffer.from(JSON.stringify({ at, pid, said } satisfies Entry), 'utf8'))
    said = []
    bytes = 0
  }
  for (const { channel, payload } of notifications) {
    said.push(channel, payload)
    bytes += channel.length + payload.length
    if (bytes > ENTRY_BYTES) flush()
  }
  flush()
  return entries
}

export class StoreNotificationBus implements NotificationBus {
  readonly #keyspace: Keyspace
  readonly #warn: (message: string, error: Error) => void
  readonly #channels = new NotificationChannels()
  queuedBytes = 0
  /** The last entry delivered here; null while nobody listens. */
  #position: number | null = null
  #timer: NodeJS.Timeout | null = null
  #looking: Promise<void> | null = null
  #again = false
  #closed = false

  constructor(keyspace: Keyspace, warn: (message: string, error: Error) => void) {
    this.#keyspace = keyspace
    this.#warn = warn
  }

  listen(channel: string, receiver: NotificationReceiver): void {
    this.#channels.listen(channel, receiver)
    this.#lookLater()
  }

  unlisten(channel: string, receiver: NotificationReceiver): void {
    this.#channels.unlisten(channel, receiver)
  }

  async prepareListen(): Promise<void> {
    if (this.#position !== null) return
    const { last } = await this.#head()
    this.#position ??= last
    this.#lookLater()
  }

  async store(txn: Transaction | null, pid: number, notifications: readonly Notification[]): Promise<void> {
    if (txn !== null) return this.#append(txn, pid, notifications)
    const own = this.#keyspace.begin({ isolation: 'read committed' })
    try {
      await this.#append(own, pid, notifications)
      await own.commit()
    } catch (error) {
      await own.rollback()
      throw error
    }
  }

  async #append(txn: Transaction, pid: number, notifications: readonly Notification[]): Promise<void> {
    const locked = await txn.lockKeys([HEAD_KEY], { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS, returnValues: true })
    const head = decodeHead(locked.values![0]!)
    const at = msOf(txn.readTs!)
    const oldest = await this.#removeOld(txn, head, at)
    const entries = entriesOf(at, pid, notifications)
    const last = head.last + entries.length
    if (last - oldest >= MAX_ENTRIES) throw new PgError(SQLSTATE.programLimitExceeded, 'too many notifications in the NOTIFY queue')
    const keys = entries.map((_, i) => entryKey(head.last + 1 + i))
    await txn.lockKeys(keys, { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS })
    for (const [i, entry] of entries.entries()) await txn.put(keys[i]!, entry)
    await txn.put(HEAD_KEY, Buffer.from(`${last} ${oldest}`, 'latin1'))
  }

  /** Answers the oldest entry that stays. */
  async #removeOld(txn: Transaction, { last, oldest }: Head, now: number): Promise<number> {
    const keys: Buffer[] = []
    for (let n = oldest; n <= last && keys.length < REMOVED_AT_ONCE; n++) keys.push(entryKey(n))
    if (keys.length === 0) return oldest
    const reader = this.#keyspace.begin({ isolation: 'read committed', readOnly: true })
    const values = await reader.batchGet(keys)
    await reader.rollback()
    const isOld = (value: Buffer | null): boolean => value === null || (JSON.parse(value.utf8Slice()) as Entry).at + KEPT_MS < now
    const kept = values.findIndex((value) => !isOld(value))
    const old = kept < 0 ? keys : keys.slice(0, kept)
    if (old.length === 0) return oldest
    await txn.lockKeys(old, { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS })
    for (const key of old) await txn.delete(key)
    return oldest + old.length
  }

  publish(_pid: number, _notifications: readonly Notification[]): void {
    if (this.#position !== null) this.#look()
  }

  async #head(): Promise<Head> {
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true, latest: true })
    const head = decodeHead(await txn.get(HEAD_KEY))
    await txn.rollback()
    return head
  }

  #lookLater(): void {
    if (this.#timer !== null || this.#closed) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      if (this.#channels.size === 0) this.#position = null
      else this.#look()
    }, LOOK_MS)
    this.#timer.unref()
  }

  /** One look at a time; who asks meanwhile gets another one after it. */
  #look(): void {
    this.#again = true
    if (this.#looking !== null || this.#closed) return
    this.#again = false
    this.#looking = this.#deliver()
      .catch((error: Error) => {
        if (!this.#closed) this.#warn('notifications cannot be read', error)
      })
      .finally(() => {
        this.#looking = null
        if (this.#again) this.#look()
        else this.#lookLater()
      })
  }

  async #deliver(): Promise<void> {
    const { last, oldest } = await this.#head()
    const position = this.#position
    if (position === null || last <= position) return
    if (oldest > position + 1) this.#warn('notifications were removed before they were read', new Error(`${oldest - position - 1} entries`))
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true })
    try {
      await eachPair(txn, { start: entryKey(position + 1), end: entryKey(last + 1) }, (key, value) => {
        this.#deliverEntry(JSON.parse(value.utf8Slice()) as Entry)
        this.#position = Number.parseInt(key.latin1Slice(ENTRY.length), 16)
      })
      this.#position = last
    } finally {
      await txn.rollback()
    }
  }

  #deliverEntry({ pid, said }: Entry): void {
    const notifications: Notification[] = []
    for (let i = 0; i < said.length; i += 2) notifications.push({ channel: said[i]!, payload: said[i + 1]! })
    this.#channels.deliver(pid, notifications)
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#looking
  }
}

// The nodes on one store, by number, and short messages between them through keyspace `system`: a node has a number while it lives (a record that
// it renews), every process id that it gives out carries the number, and what is for a session of another node goes into that node's mailbox, which
// its owner empties several times a second. Messages are hints to act: one that is lost or too many is dropped.

import { randomInt } from 'node:crypto'
import { msOf } from '../catalog/node-presence.ts'
import type { Logger } from '../observability/log.ts'
import { KvError } from '../storage/kv-error.ts'
import { META } from '../storage/meta-prefixes.ts'
import type { Keyspace, Transaction } from '../storage/store.ts'

const NUMBER_BITS = 10
const SESSION_BITS = 21
const CLAIM_ATTEMPTS = 500
const RENEW_MS = 10_000
const LIFE_MS = 40_000
const LOOK_MS = 200
const LOCK_TIMEOUT_MS = 5000
/** In one mailbox, and on their way from here. */
const MAX_MESSAGES = 64
const MAX_SENDING = 32

const hex = (number: number): string => number.toString(16).padStart(4, '0')
const recordKey = (number: number): Buffer => Buffer.from(`${META.nodeNumber}${hex(number)}`, 'latin1')
const mailKey = (number: number): Buffer => Buffer.from(`${META.mailbox}${hex(number)}`, 'latin1')

/** A node's process ids: as many as an int4 without its sign has room for. */
export const processIdsOf = (number: number): { first: number; last: number } => ({
  first: number * 2 ** SESSION_BITS + 1,
  last: (number + 1) * 2 ** SESSION_BITS - 1,
})
export const nodeOfProcessId = (pid: number): number => Math.floor(pid / 2 ** SESSION_BITS)

export interface NodeMail {
  readonly number: number
  /** This node's name. */
  readonly node: string
  /** The names of the nodes that have these numbers; null where none lives. */
  nodes(numbers: readonly number[]): Promise<(string | null)[]>
  /** To the node with that number, if there is one. */
  send(number: number, message: string): void
  /** From now on messages are handed over. */
  receive(handle: (message: string) => void): void
  close(): Promise<void>
}

const isAlive = (record: Buffer | null, now: number): boolean => record !== null && Number(record.latin1Slice().split(' ')[1]) > now
const recordOf = (node: string, now: number): Buffer => Buffer.from(`${node} ${now + LIFE_MS}`, 'latin1')

export async function openNodeMail(system: Keyspace, node: string, log: Logger): Promise<NodeMail> {
  const inTransaction = async <T>(work: (txn: Transaction) => Promise<T>): Promise<T> => {
    const txn = system.begin({ isolation: 'read committed' })
    try {
      const result = await work(txn)
      await txn.commit()
      return result
    } catch (error) {
      await txn.rollback()
      throw error
    }
  }
  const lock = async (txn: Transaction, keys: Buffer[]): Promise<(Buffer | null)[]> =>
    (await txn.lockKeys(keys, { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS, returnValues: true })).values!

  const claim = (number: number): Promise<boolean> =>
    inTransaction(async (txn) => {
      const [record] = await lock(txn, [recordKey(number)])
      const now = msOf(txn.readTs!)
      if (isAlive(record!, now)) return false
      await txn.put(recordKey(number), recordOf(node, now))
      return true
    })
  let number = 0
  for (let attempt = 0; number === 0; attempt++) {
    if (attempt === CLAIM_ATTEMPTS) throw new KvError('unavailable', 'there are too many nodes on this store')
    const candidate = randomInt(1, 2 ** NUMBER_BITS)
    if (await claim(candidate)) number = candidate
  }

  const renew = (): Promise<void> =>
    inTransaction(async (txn) => {
      const [record] = await lock(txn, [recordKey(number)])
      const now = msOf(txn.readTs!)
      if (record !== null && !record!.latin1Slice().startsWith(`${node} `) && isAlive(record!, now)) {
        throw new KvError('unavailable', `node number ${number} was given to another node while this one was away`)
      }
      await txn.put(recordKey(number), recordOf(node, now))
    })

  let handle: ((message: string) => void) | null = null
  const empty = async (): Promise<void> => {
    const reader = system.begin({ isolation: 'read committed', readOnly: true, latest: true })
    const mail = await reader.get(mailKey(number))
    await reader.rollback()
    if (mail === null || handle === null) return
    const messages = await inTransaction(async (txn) => {
      const [value] = await lock(txn, [mailKey(number)])
      await txn.delete(mailKey(number))
      return value === null ? [] : (JSON.parse(value!.utf8Slice()) as string[])
    })
    for (const message of messages) handle(message)
  }
  const deliver = (to: number, message: string): Promise<void> =>
    inTransaction(async (txn) => {
      const [record, mail] = await lock(txn, [recordKey(to), mailKey(to)])
      if (!isAlive(record!, msOf(txn.readTs!))) return
      const messages = mail === null ? [] : (JSON.parse(mail!.utf8Slice()) as string[])
      if (messages.length >= MAX_MESSAGES) return
      messages.push(message)
      await txn.put(mailKey(to), Buffer.from(JSON.stringify(messages), 'utf8'))
    })

  let isClosed = false
  const busy = new Set<Promise<void>>()
  const follow = (what: string, work: Promise<void>): void => {
    const done = work
      .catch((error: Error) => {
        if (!isClosed) log.warn({ err: error }, what)
      })
      .finally(() => busy.delete(done))
    busy.add(done)
  }
  let looking = false
  const timers = [
    setInterval(() => {
      if (looking) return
      looking = true
      const look = empty().finally(() => {
        looking = false
      })
      follow('the mailbox of this node cannot be read', look)
    }, LOOK_MS),
    setInterval(() => follow('the number of this node cannot be renewed', renew()), RENEW_MS),
  ]
  for (const timer of timers) timer.unref()

  return {
    number,
    node,
    async nodes(numbers) {
      if (numbers.length === 0) return []
      const reader = system.begin({ isolation: 'read committed', readOnly: true })
      try {
        const records = await reader.batchGet(numbers.map(recordKey))
        const now = msOf(reader.readTs!)
        return records.map((record) => (isAlive(record, now) ? record!.latin1Slice().split(' ')[0]! : null))
      } finally {
        await reader.rollback()
      }
    },
    send(to, message) {
      if (isClosed || busy.size >= MAX_SENDING) return
      follow('a message to another node was not delivered', deliver(to, message))
    },
    receive(handler) {
      handle = handler
    },
    async close() {
      isClosed = true
      for (const timer of timers) clearInterval(timer)
      await Promise.all(busy)
      await inTransaction(async (txn) => {
        const [record] = await lock(txn, [recordKey(number), mailKey(number)])
        if (record?.latin1Slice().startsWith(`${node} `)) await txn.delete(recordKey(number))
        await txn.delete(mailKey(number))
      }).catch((error: Error) => log.warn({ err: error }, 'the number of this node was not given back; it expires'))
    },
  }
}

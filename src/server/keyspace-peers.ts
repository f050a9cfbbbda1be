// The nodes that have sessions in one keyspace, and questions to them. A node enters itself in the keyspace with its first session there and strikes
// itself out some time after the last one; nothing is written or asked in between. A question goes into the other nodes' mailboxes (node-mail.ts),
// the answers come as records in the keyspace, sealed for the asker, who removes them. What a dead node leaves is its entry, which others ask in vain
// until its number has expired (40 s) and then remove, and answers that nobody fetched, which the next to ask removes.

import { prefixEnd } from '../base/bytes.ts'
import { msOf } from '../catalog/node-presence.ts'
import type { Logger } from '../observability/log.ts'
import type { AskedQuestion, PeerAnswers, PeerQuestion, Peers } from '../session/peers.ts'
import { eachPair } from '../storage/each-pair.ts'
import { META } from '../storage/meta-prefixes.ts'
import type { Keyspace, Transaction } from '../storage/store.ts'
import type { NodeMail } from './node-mail.ts'
import { type Seals, seal } from './sealed.ts'

/** As it goes by mail. */
export interface Ask extends AskedQuestion {
  readonly kind: 'ask'
  readonly keyspace: number
}

const ENTRY = Buffer.from(META.peer, 'latin1')
const ANSWER = Buffer.from(META.peerAnswer, 'latin1')
/** How long an answer is waited for, and how often looked for. */
const DEADLINE_MS = 1000
const LOOK_MS = 30
/** Without a session for so long, a node strikes itself out. */
const LINGER_MS = 10_000
/** Answers older than this are nobody's. */
const KEPT_MS = 60_000
const MS_DIGITS = 12
const MAX_ANSWER_BYTES = 4 * 1024 * 1024

const hex4 = (number: number): string => number.toString(16).padStart(4, '0')
const entryKey = (number: number): Buffer => Buffer.concat([ENTRY, Buffer.from(hex4(number), 'latin1')])
const answerPrefix = (id: string): Buffer => Buffer.concat([ANSWER, Buffer.from(id, 'latin1')])
const answerKey = (id: string, number: number): Buffer => Buffer.concat([answerPrefix(id), Buffer.from(hex4(number), 'latin1')])
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

interface Pair {
  readonly key: Buffer
  readonly value: Buffer
}

async function pairsUnder(txn: Transaction, prefix: Buffer): Promise<Pair[]> {
  const pairs: Pair[] = []
  await eachPair(txn, { start: prefix, end: prefixEnd(prefix)! }, (key, value) =>
    pairs.push({ key: Buffer.from(key), value: Buffer.from(value) }),
  )
  return pairs
}

export class KeyspacePeers implements Peers {
  readonly #keyspace: Keyspace
  readonly #mail: NodeMail
  readonly #seals: Seals
  readonly #log: Logger
  readonly #hasSessions: () => boolean
  /** Entered, or about to be; null: not, or struck out by `#leaving`. */
  #entered: Promise<void> | null = null
  #leaving: Promise<void> = Promise.resolve()
  #lingering: NodeJS.Timeout | null = null
  readonly #asked = new Map<PeerQuestion, { at: number; answers: Promise<PeerAnswers> }>()
  #count = 0

  constructor(keyspace: Keyspace, mail: NodeMail, seals: Seals, log: Logger, hasSessions: () => boolean) {
    this.#keyspace = keyspace
    this.#mail = mail
    this.#seals = seals
    this.#log = log
    this.#hasSessions = hasSessions
  }

  join(): Promise<void> {
    this.#stopLingering()
    this.#entered ??= this.#leaving
      .then(() => this.#write((txn) => txn.put(entryKey(this.#mail.number), Buffer.from(this.#mail.node, 'latin1'))))
      .catch((error: unknown) => {
        this.#entered = null
        throw error
      })
    // The login may yet be refused.
    this.left()
    return this.#entered
  }

  left(): void {
    if (this.#hasSessions() || this.#entered === null || this.#lingering !== null) return
    this.#lingering = setTimeout(() => {
      this.#lingering = null
      if (!this.#hasSessions()) void this.#leave()
    }, LINGER_MS)
    this.#lingering.unref()
  }

  #stopLingering(): void {
    if (this.#lingering !== null) clearTimeout(this.#lingering)
    this.#lingering = null
  }

  #leave(): Promise<void> {
    if (this.#entered !== null) {
      this.#leaving = this.#entered
        .then(() => this.#write((txn) => txn.delete(entryKey(this.#mail.number))))
        .catch((error: Error) => this.#log.warn({ err: error }, 'this node is still listed in a keyspace that it left'))
      this.#entered = null
    }
    return this.#leaving
  }

  async #write(change: (txn: Transaction) => unknown): Promise<void> {
    const txn = this.#keyspace.begin({ isolation: 'read committed', autocommit: true })
    try {
      await change(txn)
      await txn.commit()
    } catch (error) {
      await txn.rollback()
      throw error
    }
  }

  ask(question: PeerQuestion, maxAgeMs: number): Promise<PeerAnswers> {
    const at = performance.now()
    const before = this.#asked.get(question)
    if (before !== undefined && at - before.at < maxAgeMs) return before.answers
    const asked = { at, answers: this.#ask(question, at) }
    this.#asked.set(question, asked)
    asked.answers.catch(() => {
      if (this.#asked.get(question) === asked) this.#asked.delete(question)
    })
    return asked.answers
  }

  async #ask(question: PeerQuestion, askedAt: number): Promise<PeerAnswers> {
    const { others, now } = await this.#others()
    if (others.length === 0) return { texts: [], silent: 0, askedAt }
    const id = `${now.toString(16).padStart(MS_DIGITS, '0')}${hex4(this.#mail.number)}${hex4(this.#count++ & 0xffff)}`
    const ask: Ask = { kind: 'ask', keyspace: this.#keyspace.id, id, question, key: this.#seals.publicKey.toString('base64') }
    const message = JSON.stringify(ask)
    for (const other of others) this.#mail.send(other, message)
    const deadline = performance.now() + DEADLINE_MS
    let answers: Pair[] = []
    while (answers.length < others.length && performance.now() < deadline) {
      await pause(LOOK_MS)
      answers = await this.#read((txn) => pairsUnder(txn, answerPrefix(id)))
    }
    this.#remove(answers)
    return { texts: answers.map(({ value }) => this.#seals.open(id, value)), silent: others.length - answers.length, askedAt }
  }

  #remove(pairs: readonly Pair[]): void {
    if (pairs.length === 0) return
    this.#write(async (txn) => {
      for (const { key } of pairs) await txn.delete(key)
    }).catch((error: Error) => this.#log.warn({ err: error }, 'what nodes left in a keyspace could not be removed'))
  }

  async #read<T>(work: (txn: Transaction) => Promise<T>): Promise<T> {
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true })
    try {
      return await work(txn)
    } finally {
      await txn.rollback()
    }
  }

  /** The nodes entered that live; what others have left behind is removed. */
  async #others(): Promise<{ others: number[]; now: number }> {
    const { entries, answers, now } = await this.#read(async (txn) => {
      const found = await pairsUnder(txn, ENTRY)
      return { entries: found, answers: await pairsUnder(txn, ANSWER), now: msOf(txn.readTs!) }
    })
    const listed = entries.map((pair) => ({ pair, number: Number.parseInt(pair.key.latin1Slice(ENTRY.length), 16) }))
    const foreign = listed.filter(({ number }) => number !== this.#mail.number)
    const names = await this.#mail.nodes(foreign.map(({ number }) => number))
    const isAlive = (i: number): boolean => names[i] === foreign[i]!.pair.value.latin1Slice()
    const sentAt = ({ key }: Pair): number => Number.parseInt(key.latin1Slice(ANSWER.length, ANSWER.length + MS_DIGITS), 16)
    this.#remove([
      ...foreign.filter((_, i) => !isAlive(i)).map(({ pair }) => pair),
      ...answers.filter((pair) => sentAt(pair) < now - KEPT_MS),
    ])
    return { others: foreign.filter((_, i) => isAlive(i)).map(({ number }) => number), now }
  }

  async answer({ id, key }: AskedQuestion, text: string): Promise<void> {
    if (text.length > MAX_ANSWER_BYTES) throw new Error(`an answer of ${text.length} bytes is too long`)
    await this.#write((txn) => txn.put(answerKey(id, this.#mail.number), seal(Buffer.from(key, 'base64'), id, text)))
  }

  async close(): Promise<void> {
    this.#stopLingering()
    await this.#leave()
  }
}

// SERIALIZABLE by serializable snapshot isolation: snapshots plus tracking of rw-antidependencies (R read what W, concurrent, wrote: R → W).
// Every anomaly contains R → P → W with W the first of the three to commit, so whoever would complete such a structure fails.
//
// Edges are found when R reads a key that has a version newer than its snapshot, and when W commits, against what concurrent transactions
// have read. Only commits are judged, in commit order, so the flags of a transaction say: `outgoing` = it has an edge to one that committed
// before it; `incoming` = somebody has an edge to it. Read sets of committed transactions stay while a concurrent one is active.

import { KvError } from '../kv-error.ts'
import { KeySet } from './key-set.ts'

/** Committed transactions remembered for those still active. */
const MOST_COMMITTED = 4096

export class SerializableTransaction {
  readonly snapshot: number
  readonly readOnly: boolean
  readonly reads = new KeySet()
  readonly writes = new KeySet()
  commitStamp = 0
  incoming = false
  outgoing = false
  /** The earliest commit among those it has an edge to. */
  outStamp = Number.POSITIVE_INFINITY
  doomed = false

  constructor(snapshot: number, readOnly: boolean) {
    this.snapshot = snapshot
    this.readOnly = readOnly
  }
}

const failure = (): KvError =>
  new KvError('serialization', 'could not serialize access due to read/write dependencies among transactions', { retryable: true })

export class SerializableTracker {
  readonly #active = new Set<SerializableTransaction>()
  #committed: SerializableTransaction[] = []

  begin(snapshot: number, readOnly: boolean): SerializableTransaction {
    const transaction = new SerializableTransaction(snapshot, readOnly)
    this.#active.add(transaction)
    return transaction
  }

  /** `reader` met a version of `key` newer than its snapshot: edges to all concurrent writers of it. */
  readNewer(reader: SerializableTransaction, key: string): void {
    for (const writer of this.#committed) {
      if (writer.commitStamp <= reader.snapshot || !writer.writes.has(key)) continue
      this.#edgeToCommitted(reader, writer)
    }
    if (reader.doomed) throw failure()
  }

  #edgeToCommitted(reader: SerializableTransaction, writer: SerializableTransaction): void {
    reader.outgoing = true
    if (writer.commitStamp < reader.outStamp) reader.outStamp = writer.commitStamp
    // writer is a committed pivot if it has an edge to somebody who committed before it
    if (writer.outgoing && (!reader.readOnly || writer.outStamp <= reader.snapshot)) reader.doomed = true
  }

  /** Judges a transaction that is about to commit with `stamp`; throws KvError 'serialization' or records it as committed. */
  commit(transaction: SerializableTransaction, stamp: number): void {
    if (transaction.doomed) throw failure()
    const readers: SerializableTransaction[] = []
    let incoming = transaction.incoming
    if (!transaction.writes.empty) {
      for (const reader of this.#active) {
        if (reader !== transaction && reader.reads.intersects(transaction.writes)) readers.push(reader)
      }
      incoming ||= readers.length > 0
      if (!incoming) {
        for (const reader of this.#committed) {
          if (reader.commitStamp > transaction.snapshot && reader.reads.intersects(transaction.writes)) {
            incoming = true
            break
          }
        }
      }
    }
    if (incoming && transaction.outgoing) throw failure()
    transaction.incoming = incoming
    transaction.commitStamp = stamp
    this.#active.delete(transaction)
    this.#committed.push(transaction)
    for (const reader of readers) {
      reader.outgoing = true
      if (stamp < reader.outStamp) reader.outStamp = stamp
      if (reader.incoming) reader.doomed = true
    }
    this.#forget()
  }

  /** A transaction that wrote nothing ends: fails only if its reads completed a dangerous structure. */
  finishReadOnly(transaction: SerializableTransaction, stamp: number): void {
    if (transaction.doomed) throw failure()
    // it may still be the R of an edge to a later writer
    transaction.commitStamp = stamp
    this.#active.delete(transaction)
    this.#committed.push(transaction)
    this.#forget()
  }

  abort(transaction: SerializableTransaction): void {
    this.#active.delete(transaction)
    this.#forget()
  }

  /** Forgets committed transactions that no active one is concurrent with. Too many of them: the oldest active one has to fail. */
  #forget(): void {
    if (this.#committed.length > MOST_COMMITTED) {
      let oldest: SerializableTransaction | null = null
      for (const transaction of this.#active) if (oldest === null || transaction.snapshot < oldest.snapshot) oldest = transaction
      if (oldest !== null) {
        oldest.doomed = true
        this.#active.delete(oldest)
      }
    }
    if (this.#active.size === 0) {
      this.#committed = []
      return
    }
    let oldest = Number.POSITIVE_INFINITY
    for (const transaction of this.#active) if (transaction.snapshot < oldest) oldest = transaction.snapshot
    if (this.#committed.length > 0 && this.#committed[0]!.commitStamp <= oldest) {
      this.#committed = this.#committed.filter((transaction) => transaction.commitStamp > oldest)
    }
  }
}

// A statement whose WITH writes: all its parts see the same snapshot, so none may see what another wrote. Each part reads, locks and
// computes in its turn and says here what is to be written; that happens when every part has been read to its end, in the order said.
// A row belongs to the part that comes first: PostgreSQL too lets only one of them change it.

import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { MemoryAccount } from '../../base/memory.ts'

/** Estimated bytes of a queued portion's row besides what its part holds. */
const ROW_BYTES = 128

type Work = () => MaybePromise<unknown>

export class StatementWrites {
  #queue: Work[] = []
  #ends: Work[] = []
  readonly #touched = new Map<Oid, Set<string>[]>()
  #charged = 0

  /** Keys of `relation` that one part has changed; `before` asks for all parts. */
  touched(relation: Oid): { readonly own: Set<string>; has(key: string): boolean } {
    let sets = this.#touched.get(relation)
    if (sets === undefined) {
      sets = []
      this.#touched.set(relation, sets)
    }
    const all = sets
    const own = new Set<string>()
    all.push(own)
    return {
      own,
      has(key) {
        for (const set of all) if (set.has(key)) return true
        return false
      },
    }
  }

  add(work: Work, rows: number, memory: MemoryAccount): void {
    memory.charge(rows * ROW_BYTES)
    this.#charged += rows * ROW_BYTES
    this.#queue.push(work)
  }

  /** What a part does when all writes are done. */
  atEnd(work: Work): void {
    this.#ends.push(work)
  }

  mark(): number {
    return this.#queue.length
  }

  rollbackTo(mark: number): void {
    this.#queue.length = mark
  }

  run(): MaybePromise<void> {
    const all = [...this.#queue, ...this.#ends]
    this.#queue = []
    this.#ends = []
    const from = (start: number): MaybePromise<void> => {
      for (let i = start; i < all.length; i++) {
        const done = all[i]!()
        if (done instanceof Promise) return done.then(() => from(i + 1))
      }
      return undefined
    }
    return andThen(from(0), () => undefined)
  }

  reset(memory: MemoryAccount): void {
    memory.release(this.#charged)
    this.#charged = 0
    this.#queue = []
    this.#ends = []
    for (const sets of this.#touched.values()) for (const set of sets) set.clear()
  }
}

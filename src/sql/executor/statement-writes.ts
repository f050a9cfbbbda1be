// A statement whose WITH writes: all its parts see the same snapshot, so none may see what another wrote. Each part reads, locks and
// computes in its turn and says here what is to be written; that happens when every part has been read to its end, in the order said.
// A row belongs to the part that comes first: PostgreSQL too lets only one of them change it.

import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { MemoryAccount } from '../../base/memory.ts'

/** Estimated bytes of a queued portion's row besides what its part holds. */
const ROW_BYTES = 128

type Work = () => MaybePromise<unknown>

/** Keys that one part has noted; `has` asks for all parts'. */
export interface PartKeys {
  readonly own: Set<string>
  has(key: string): boolean
}

/** Keys by relation, a set for each part. */
class KeysOfParts {
  readonly #sets = new Map<Oid, Set<string>[]>()

  part(relation: Oid): PartKeys {
    const all = this.#sets.get(relation) ?? []
    this.#sets.set(relation, all)
    const own = new Set<string>()
    all.push(own)
    return { own, has: (key) => all.some((set) => set.has(key)) }
  }

  clear(): void {
    for (const sets of this.#sets.values()) for (const set of sets) set.clear()
  }
}

export class StatementWrites {
  #queue: Work[] = []
  #ends: Work[] = []
  readonly #touched = new KeysOfParts()
  readonly #inserted = new KeysOfParts()
  #charged = 0

  /** Keys of rows that were changed. */
  touched(relation: Oid): PartKeys {
    return this.#touched.part(relation)
  }

  /** Unique keys of rows that are to be inserted, and so cannot be found yet. */
  inserted(relation: Oid): PartKeys {
    return this.#inserted.part(relation)
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
    this.#touched.clear()
    this.#inserted.clear()
  }
}

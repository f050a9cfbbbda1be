// What a transaction's commit writes: at once where it is in memory, part by part where files hold it.

import { Op, type PessimisticAction } from './proto/kvrpcpb.ts'
import type { WriteBuffer } from './write-buffer.ts'
import type { WriteEntry } from './write-run.ts'

export interface Mutation {
  readonly key: Buffer
  readonly op: (typeof Op)[keyof typeof Op]
  readonly value: Buffer | null
  readonly action: (typeof PessimisticAction)[keyof typeof PessimisticAction]
}

export interface Mutations {
  /** The one whose commit is the transaction's. */
  readonly primary: Mutation
  /** All of them, if memory holds them. */
  readonly few: readonly Mutation[] | null
  /** All of them in key order, in parts; may be asked for again until `close`. */
  parts(): Iterable<readonly Mutation[]>
  /** Nobody needs them any more. */
  close(): void
}

const MUTATION_BYTES = 32
const PART_BYTES = 4 * 1024 * 1024

/** About what it adds to a request. */
export const sizeOf = ({ key, value }: Mutation): number => key.length + (value?.length ?? 0) + MUTATION_BYTES

type MutationOf = (entry: WriteEntry) => Mutation | null

/** `primary`: one of those that are written; null = the first of them. Answers null when nothing is to be written. */
export function mutationsOf(writes: WriteBuffer, mutationOf: MutationOf, primary: Mutation | null): Mutations | null {
  function* all(): Generator<Mutation, undefined> {
    for (const entry of writes.all()) {
      const mutation = mutationOf(entry)
      if (mutation !== null) yield mutation
    }
  }
  const deciding = primary ?? firstOf(all())
  if (deciding === null) return null
  if (writes.isSpilled) return { primary: deciding, few: null, parts: () => inParts(all()), close: () => writes.close() }
  const few = [...all()]
  return { primary: deciding, few, parts: () => [few], close: () => {} }
}

function firstOf(mutations: Iterable<Mutation>): Mutation | null {
  for (const mutation of mutations) if (mutation.op !== Op.CheckNotExists) return mutation
  return null
}

function* inParts(mutations: Iterable<Mutation>): Generator<readonly Mutation[], undefined> {
  let part: Mutation[] = []
  let bytes = 0
  for (const mutation of mutations) {
    part.push(mutation)
    bytes += sizeOf(mutation)
    if (bytes < PART_BYTES) continue
    yield part
    part = []
    bytes = 0
  }
  if (part.length > 0) yield part
}

// EvalContext as a session answers it: clocks, settings, who runs this, and the ways up to what only higher rooms can do.

import type { CancelToken } from '../base/cancel.ts'
import type { Clock } from '../base/clock.ts'
import type { Notice } from '../base/errors.ts'
import type { MemoryAccount } from '../base/memory.ts'
import type {
  CatalogLookup,
  EvalContext,
  IoSettings,
  Micros,
  SequenceAccess,
  SessionFacts,
  SettingAccess,
} from '../sql/types/eval-context.ts'
import { microsNow } from './micros.ts'
import type { Settings } from './settings/settings.ts'

/** A body registered by a higher room, by prosrc. */
export type SystemFunction = (...args: readonly unknown[]) => unknown

export interface EvalContextParts {
  readonly clock: Clock
  readonly settings: Settings
  /** SET, with what it asks and brings about besides the setting's value. */
  readonly setSetting: SettingAccess['set']
  readonly session: SessionFacts
  readonly catalog: CatalogLookup
  readonly sequences: SequenceAccess
  readonly memory: MemoryAccount
  readonly cancel: CancelToken
  readonly system: (prosrc: string) => SystemFunction | undefined
  notice(notice: Notice): void
}

/** xoroshiro128+, as random() and setseed need a generator that can be seeded. */
class Random {
  #a = 0n
  #b = 0n
  #seeded = false

  next(): number {
    if (!this.#seeded) return Math.random()
    const mask = 0xffffffffffffffffn
    const rotl = (x: bigint, k: bigint) => ((x << k) | (x >> (64n - k))) & mask
    const result = (this.#a + this.#b) & mask
    const mixed = this.#b ^ this.#a
    this.#a = rotl(this.#a, 24n) ^ mixed ^ ((mixed << 16n) & mask)
    this.#b = rotl(mixed, 37n)
    return Number(result >> 11n) / 2 ** 53
  }

  seed(seed: number): void {
    const view = new DataView(new ArrayBuffer(8))
    view.setFloat64(0, seed)
    const mask = 0xffffffffffffffffn
    let state = view.getBigUint64(0)
    const splitmix = () => {
      state = (state + 0x9e3779b97f4a7c15n) & mask
      let z = state
      z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask
      z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask
      return z ^ (z >> 31n)
    }
    this.#a = splitmix()
    this.#b = splitmix()
    this.#seeded = true
  }
}

export class SessionEvalContext implements EvalContext {
  readonly #parts: EvalContextParts
  readonly #random = new Random()
  readonly session: SessionFacts
  readonly settings: SettingAccess
  readonly catalog: CatalogLookup
  readonly sequences: SequenceAccess
  readonly memory: MemoryAccount
  readonly cancel: CancelToken
  transactionTimestamp: Micros = 0
  statementTimestamp: Micros = 0

  constructor(parts: EvalContextParts) {
    this.#parts = parts
    this.session = parts.session
    this.catalog = parts.catalog
    this.sequences = parts.sequences
    this.memory = parts.memory
    this.cancel = parts.cancel
    const { settings } = parts
    this.settings = {
      show: (name, missingOk) => settings.show(name, missingOk),
      check: (name, value) => settings.check(name, value),
      set: parts.setSetting,
    }
  }

  get io(): IoSettings {
    return this.#parts.settings.io
  }

  /** A message has arrived. `startsTransaction`: it is the first of its transaction, whose now() it sets. // hot */
  statementBegins(startsTransaction: boolean): void {
    this.statementTimestamp = microsNow(this.#parts.clock)
    if (startsTransaction) this.transactionTimestamp = this.statementTimestamp
  }

  clockTimestamp(): Micros {
    return microsNow(this.#parts.clock)
  }

  random(): number {
    return this.#random.next()
  }

  setSeed(seed: number): void {
    this.#random.seed(seed)
  }

  notice(notice: Notice): void {
    this.#parts.notice(notice)
  }

  system(prosrc: string): SystemFunction | undefined {
    return this.#parts.system(prosrc)
  }
}

// A set of keys and key ranges in bounded memory: too many points become ranges, too many ranges become fewer and wider ones. Never loses a
// member, may gain some: right for conflict detection, where a false positive costs a retry and a false negative a wrong result.

const MAX_POINTS = 4096
const MAX_RANGES = 256
/** Keys of one table or index share this many leading bytes. */
const GROUP_BYTES = 10

interface Range {
  start: string
  /** Exclusive. */
  end: string
}

export class KeySet {
  #points = new Set<string>()
  #ranges: Range[] = []

  get empty(): boolean {
    return this.#points.size === 0 && this.#ranges.length === 0
  }

  add(key: string): void {
    if (this.#points.size >= MAX_POINTS) this.#coarsen()
    this.#points.add(key)
  }

  /** Adds [start, end). The range object may be widened by its owner through `extend`. */
  addRange(start: string, end: string): void {
    if (start >= end) return
    const last = this.#ranges[this.#ranges.length - 1]
    if (last !== undefined && last.start <= start && start <= last.end) {
      if (end > last.end) last.end = end
      return
    }
    if (this.#ranges.length >= MAX_RANGES) this.#coarsen()
    this.#ranges.push({ start, end })
  }

  has(key: string): boolean {
    if (this.#points.has(key)) return true
    for (const range of this.#ranges) if (range.start <= key && key < range.end) return true
    return false
  }

  intersects(other: KeySet): boolean {
    for (const key of this.#points) if (other.has(key)) return true
    for (const range of this.#ranges) {
      for (const key of other.#points) if (range.start <= key && key < range.end) return true
      for (const theirs of other.#ranges) if (range.start < theirs.end && theirs.start < range.end) return true
    }
    return false
  }

  /** One range per leading bytes; if those are too many, one over everything. */
  #coarsen(): void {
    for (const groupBytes of [GROUP_BYTES, 5, 1]) {
      const groups = new Map<string, Range>()
      const cover = (start: string, end: string): void => {
        const group = start.slice(0, groupBytes)
        const range = groups.get(group)
        if (range === undefined) groups.set(group, { start, end })
        else {
          if (start < range.start) range.start = start
          if (end > range.end) range.end = end
        }
      }
      for (const key of this.#points) cover(key, `${key}\0`)
      for (const range of this.#ranges) cover(range.start, range.end)
      if (groups.size <= MAX_RANGES / 2 || groupBytes === 1) {
        this.#points = new Set()
        this.#ranges = [...groups.values()]
        return
      }
    }
  }
}

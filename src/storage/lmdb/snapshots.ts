// The snapshots in use, oldest first: which old versions somebody may still read. Intrusive list: taking one allocates nothing. // hot

export interface SnapshotHolder {
  snapshot: number
  previous: SnapshotHolder | null
  next: SnapshotHolder | null
}

export class Snapshots {
  #oldest: SnapshotHolder | null = null
  #newest: SnapshotHolder | null = null
  /** Called when the oldest snapshot ends while another is newer or none is left. */
  readonly #released: () => void

  constructor(released: () => void) {
    this.#released = released
  }

  /** Snapshots are taken in ascending order of their timestamps, because visible timestamps only grow. */
  add(holder: SnapshotHolder, snapshot: number): void {
    holder.snapshot = snapshot
    holder.previous = this.#newest
    holder.next = null
    if (this.#newest === null) this.#oldest = holder
    else this.#newest.next = holder
    this.#newest = holder
  }

  remove(holder: SnapshotHolder): void {
    if (holder.snapshot === 0) return
    holder.snapshot = 0
    const wasOldest = this.#oldest === holder
    if (holder.previous === null) this.#oldest = holder.next
    else holder.previous.next = holder.next
    if (holder.next === null) this.#newest = holder.previous
    else holder.next.previous = holder.previous
    holder.previous = null
    holder.next = null
    if (wasOldest) this.#released()
  }

  /** The oldest snapshot in use, or Infinity. */
  oldest(): number {
    return this.#oldest === null ? Number.POSITIVE_INFINITY : this.#oldest.snapshot
  }
}

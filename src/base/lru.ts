// A bounded map that forgets what was used longest ago. // hot

interface Node<K, V> {
  readonly key: K
  value: V
  older: Node<K, V> | null
  newer: Node<K, V> | null
}

/**
 * A map of nodes in a list, oldest first. (Without the list a use would be to delete the key and to set it anew: the map then has a chain of
 * deleted entries for the key used most, the longer the more entries it has.)
 */
export class LruMap<K, V> {
  readonly #nodes = new Map<K, Node<K, V>>()
  #oldest: Node<K, V> | null = null
  #newest: Node<K, V> | null = null
  readonly capacity: number
  readonly #onEvict: ((key: K, value: V) => void) | undefined

  constructor(capacity: number, onEvict?: (key: K, value: V) => void) {
    this.capacity = capacity
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#nodes.size
  }

  get(key: K): V | undefined {
    const node = this.#nodes.get(key)
    if (node === undefined) return undefined
    this.#use(node)
    return node.value
  }

  /** Looks without counting as a use. */
  peek(key: K): V | undefined {
    return this.#nodes.get(key)?.value
  }

  set(key: K, value: V): void {
    const known = this.#nodes.get(key)
    if (known !== undefined) {
      known.value = value
      this.#use(known)
      return
    }
    const node: Node<K, V> = { key, value, older: null, newer: null }
    this.#nodes.set(key, node)
    this.#append(node)
    if (this.#nodes.size > this.capacity) this.evict()
  }

  /** Forgets what was used longest ago. */
  evict(): void {
    const oldest = this.#oldest
    if (oldest === null) return
    this.delete(oldest.key)
    this.#onEvict?.(oldest.key, oldest.value)
  }

  delete(key: K): boolean {
    const node = this.#nodes.get(key)
    if (node === undefined) return false
    this.#nodes.delete(key)
    this.#unlink(node)
    return true
  }

  clear(): void {
    this.#nodes.clear()
    this.#oldest = null
    this.#newest = null
  }

  /** Oldest first. */
  *values(): Generator<V> {
    for (let node = this.#oldest; node !== null; node = node.newer) yield node.value
  }

  *entries(): Generator<[K, V]> {
    for (let node = this.#oldest; node !== null; node = node.newer) yield [node.key, node.value]
  }

  #use(node: Node<K, V>): void {
    if (node === this.#newest) return
    this.#unlink(node)
    this.#append(node)
  }

  #append(node: Node<K, V>): void {
    node.older = this.#newest
    node.newer = null
    if (this.#newest === null) this.#oldest = node
    else this.#newest.newer = node
    this.#newest = node
  }

  #unlink(node: Node<K, V>): void {
    if (node.older === null) this.#oldest = node.newer
    else node.older.newer = node.newer
    if (node.newer === null) this.#newest = node.older
    else node.newer.older = node.older
  }
}

// Sets of a level's relations, one bit each. Bigints: a FROM list may be of any length.

export type Relids = bigint

export const NO_RELS: Relids = 0n

export const contains = (set: Relids, part: Relids): boolean => (part & ~set) === NO_RELS
export const overlap = (a: Relids, b: Relids): boolean => (a & b) !== NO_RELS
/** Whether the set has more than one member. */
export const isSeveral = (set: Relids): boolean => (set & (set - 1n)) !== NO_RELS

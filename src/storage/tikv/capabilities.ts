// What a store on TiKV can do, and its limits.

import { LIMITS } from '../../base/limits.ts'
import type { StoreCapabilities } from '../store.ts'

/** What one raft entry holds, with room for key and record. */
const MAX_VALUE_BYTES = 6 * 1024 * 1024

export const TIKV_CAPABILITIES: StoreCapabilities = {
  sharedLocks: false,
  serializable: false,
  multiNode: true,
  maxKeyBytes: LIMITS.maxKeyBytes,
  maxValueBytes: MAX_VALUE_BYTES,
}

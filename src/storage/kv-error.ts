// What a store can fail with. Becomes a SQLSTATE in exactly one file (storage/kv-error-sqlstate.ts).

export type KvErrorKind =
  | 'writeConflict' //       a newer version than the snapshot (40001)
  | 'serialization' //       a dangerous structure among serializable transactions (40001)
  | 'deadlock' //            40P01
  | 'lockTimeout' //         55P03, lock_timeout
  | 'lockNotAvailable' //    55P03, NOWAIT
  | 'alreadyExists' //       insert of an existing key; `key` tells which (the row layer makes it 23505)
  | 'undetermined' //        the commit may or may not have happened (08007)
  | 'unavailable' //         the store cannot be reached within the deadline (08006)
  | 'snapshotTooOld' //      the versions the snapshot needs may be gone (72000)
  | 'transactionTooLarge' // 54000
  | 'keyTooLarge' //         54000
  | 'valueTooLarge' //       54000
  | 'diskFull' //            53100
  | 'corrupt' //             XX001
  | 'keyspaceUnavailable' // 57P03
  | 'keyspaceExists' //      42P06-like; the tenant layer words it
  | 'invalidName' //         42602
  | 'readOnly' //            25006
  | 'schemaChanged' //       commit beyond maxCommitTs; run again (40001)
  | 'closed' //              the store is shutting down (57P01)
  | 'format' //              data of a newer or foreign format; refuse to serve

export class KvError extends Error {
  readonly kind: KvErrorKind
  /** The user key concerned, when there is one. */
  readonly key: Uint8Array | null
  /** True when running the same statements again may succeed and nothing was committed. */
  readonly retryable: boolean
  /** Of a deadlock: who waits for whom, in PostgreSQL's words. */
  readonly detail: string | null

  constructor(
    kind: KvErrorKind,
    message: string,
    options: { key?: Uint8Array; retryable?: boolean; detail?: string | null; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'KvError'
    this.kind = kind
    this.key = options.key ?? null
    this.retryable = options.retryable ?? false
    this.detail = options.detail ?? null
  }
}

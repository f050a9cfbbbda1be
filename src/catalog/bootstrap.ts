// The first use of a keyspace: format marker, role `admin` and schema public, in one transaction. A keyspace that holds anything else than
// our own data is refused and not touched; racing nodes make exactly one. The marker outlives a dropped or renamed admin, so that it never
// comes back.

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { KvError } from '../storage/kv-error.ts'
import type { Keyspace, Transaction } from '../storage/store.ts'
import { ACL, PUBLIC_ROLE } from './acl.ts'
import type { NamespaceDescriptor, RoleDescriptor } from './descriptors.ts'
import { MARKER_KEY, nameKey, OID_COUNTER_KEY, objectKey } from './keys.ts'
import {
  DATABASE_OID,
  DATABASE_OWNER_ROLE,
  decodeValue,
  encodeValue,
  FIRST_NORMAL_OID,
  FORMAT_VERSION,
  type FormatMarker,
  type ObjectRecord,
  PUBLIC_NAMESPACE,
} from './records.ts'

export const ADMIN_ROLE_NAME = 'admin'
const LOCK_TIMEOUT_MS = 10_000
const ADMIN_OID: Oid = FIRST_NORMAL_OID

const bytes = (key: string): Buffer => Buffer.from(key, 'utf8')

/** `fresh`: this call made the keyspace ours. */
export interface BootstrapResult {
  readonly fresh: boolean
}

function checkMarker(stored: Buffer, keyspace: Keyspace): void {
  const marker = decodeValue(stored) as FormatMarker
  if (marker.product === 'pg-keyspace' && marker.format <= FORMAT_VERSION) return
  throw new PgError(SQLSTATE.cannotConnectNow, `keyspace "${keyspace.name}" was written by a newer version of pg-keyspace`, {
    severity: 'FATAL',
    detail: `Its format is ${marker.format}, this server reads formats up to ${FORMAT_VERSION}.`,
    hint: 'Use the newer version of pg-keyspace.',
  })
}

async function isEmpty(txn: Transaction): Promise<boolean> {
  const scanner = txn.scan({ start: Buffer.from([0]), end: Buffer.alloc(8, 0xff) }, { limit: 1, keysOnly: true })
  try {
    return (await scanner.next()) === null
  } finally {
    scanner.close()
  }
}

/** Whether the keyspace carries our marker; refuses one with other contents. Writes nothing. */
export async function isBootstrapped(keyspace: Keyspace): Promise<boolean> {
  const txn = keyspace.begin({ isolation: 'read committed', readOnly: true })
  try {
    const stored = await txn.get(bytes(MARKER_KEY))
    if (stored !== null) {
      checkMarker(stored, keyspace)
      return true
    }
    if (await isEmpty(txn)) return false
  } finally {
    await txn.rollback()
  }
  throw new PgError(SQLSTATE.cannotConnectNow, `keyspace "${keyspace.name}" holds data of another program`, {
    severity: 'FATAL',
    detail: 'A keyspace is used only if it is empty or was made by pg-keyspace; nothing was written to it.',
  })
}

export function bootstrapRole(oid: Oid, name: string, verifier: string | null): RoleDescriptor {
  return {
    oid,
    name,
    superuser: true,
    inherit: true,
    createRole: true,
    createDb: true,
    canLogin: true,
    replication: true,
    bypassRls: true,
    connectionLimit: -1,
    password: verifier,
    validUntil: null,
    settings: {},
    memberOf: [],
  }
}

const publicSchema: NamespaceDescriptor = {
  oid: PUBLIC_NAMESPACE,
  name: 'public',
  owner: DATABASE_OWNER_ROLE,
  acl: [
    { grantee: DATABASE_OWNER_ROLE, grantor: DATABASE_OWNER_ROLE, privileges: ACL.usage | ACL.create, grantOptions: 0 },
    { grantee: PUBLIC_ROLE, grantor: DATABASE_OWNER_ROLE, privileges: ACL.usage, grantOptions: 0 },
  ],
}

/** Makes the keyspace ready if it is not yet. `verifier`: the first password's SCRAM verifier. */
export async function bootstrapKeyspace(
  keyspace: Keyspace,
  verifier: string | null,
  adminName = ADMIN_ROLE_NAME,
): Promise<BootstrapResult> {
  if (await isBootstrapped(keyspace)) return { fresh: false }
  const txn = keyspace.begin({ isolation: 'read committed' })
  try {
    const locked = await txn.lockKeys([bytes(MARKER_KEY)], {
      mode: 'exclusive',
      wait: 'block',
      timeoutMs: LOCK_TIMEOUT_MS,
      returnValues: true,
    })
    if (locked.values![0] !== null) {
      await txn.rollback()
      return { fresh: false }
    }
    const records: [string, ObjectRecord][] = [
      [objectKey(ADMIN_OID), { kind: 'role', value: bootstrapRole(ADMIN_OID, adminName, verifier) }],
      [objectKey(PUBLIC_NAMESPACE), { kind: 'namespace', value: publicSchema }],
      [objectKey(DATABASE_OID), { kind: 'database', value: { oid: DATABASE_OID, owner: ADMIN_OID, acl: null, connectionLimit: -1 } }],
    ]
    for (const [key, record] of records) await txn.insert(bytes(key), encodeValue(record))
    await txn.insert(bytes(nameKey('a', 0, adminName)), encodeValue(String(ADMIN_OID)))
    await txn.insert(bytes(nameKey('n', 0, 'public')), encodeValue(String(PUBLIC_NAMESPACE)))
    await txn.insert(bytes(OID_COUNTER_KEY), Buffer.from(String(ADMIN_OID + 1), 'latin1'))
    const marker: FormatMarker = { product: 'pg-keyspace', format: FORMAT_VERSION }
    await txn.put(bytes(MARKER_KEY), encodeValue(marker))
    await txn.commit()
    return { fresh: true }
  } catch (error) {
    await txn.rollback()
    // another node was faster
    if (error instanceof KvError && error.retryable && (await isBootstrapped(keyspace))) return { fresh: false }
    throw error
  }
}

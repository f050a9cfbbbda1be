// Descriptors as they stand before anything is declared of them: the field lists live here once.

import type { Oid } from '../base/ids.ts'
import type { ColumnDescriptor, TableDescriptor } from './descriptors.ts'

/** A nullable column without default, privileges or options, stored plain. */
export function newColumn(attnum: number, name: string, type: { type: Oid; typmod: number; collation: Oid }): ColumnDescriptor {
  return {
    attnum,
    name,
    type: type.type,
    typmod: type.typmod,
    collation: type.collation,
    notNull: false,
    notNullConstraint: null,
    dropped: false,
    default: null,
    generated: '',
    identity: '',
    identitySequence: 0,
    missingValue: null,
    acl: null,
    statisticsTarget: null,
    storage: 'p',
    compression: '',
    options: null,
  }
}

/** A table without keys, indexes or rows; its id is the caller's. */
export const EMPTY_TABLE: Omit<TableDescriptor, 'id'> = {
  primaryKey: 0,
  indexes: [],
  constraints: [],
  inboundForeignKeys: [],
  nextIndexId: 1,
  relTuples: -1,
  relPages: 0,
  rowSecurity: false,
  forceRowSecurity: false,
  replicaIdentity: 'd',
}

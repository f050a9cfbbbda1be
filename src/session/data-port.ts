// Work on rows that definitions need (sql/commands DataPort), done by the executor inside the same transaction.

import { notSupported } from '../base/errors.ts'
import type { DataPort } from '../sql/commands/context.ts'
import type { ParsedStatement } from '../sql/parser/parse.ts'
import type { Transaction } from '../storage/store.ts'
import type { ClientSession } from './session.ts'

export function makeDataPort(_session: ClientSession, _statement: ParsedStatement, _txn: Transaction): DataPort {
  const no = async (): Promise<never> => {
    throw notSupported('changing the contents of existing tables is not supported')
  }
  return {
    buildIndex: no,
    rewriteTable: no,
    validateCheck: no,
    validateNotNull: no,
    validateForeignKey: no,
    missingValue: no,
    insertQuery: no,
    isEmpty: no,
    countRows: no,
    resetSequence: async () => {},
    sequenceState: async () => null,
  }
}

// PGlite (PostgreSQL 18 in WASM) as the oracle of what PostgreSQL answers.

import { PGlite, protocol } from '@electric-sql/pglite'
import type { SqlAnswer } from './slt.ts'

interface Field {
  name: string
  dataTypeID: number
}

export interface Oracle {
  ask(sql: string): Promise<SqlAnswer>
  close(): Promise<void>
}

export async function openOracle(): Promise<Oracle> {
  const db = await PGlite.create()
  // What differs from our server's own defaults and is not the subject of a test.
  for (const setting of ["TimeZone = 'Etc/UTC'", "lc_messages = 'C'"]) await db.exec(`SET ${setting}`)
  return {
    async ask(sql) {
      const { messages } = await db.execProtocol(protocol.serialize.query(sql), { throwOnError: false })
      const results: { columns: { name: string; type: number }[]; rows: (string | null)[][]; tag: string }[] = []
      const notices: { severity: string; message: string }[] = []
      let error: SqlAnswer['error'] = null
      let columns: { name: string; type: number }[] = []
      let rows: (string | null)[][] = []
      for (const message of messages as readonly { name: string }[]) {
        switch (message.name) {
          case 'rowDescription':
            columns = (message as unknown as { fields: Field[] }).fields.map((f) => ({ name: f.name, type: f.dataTypeID }))
            break
          case 'dataRow':
            rows.push((message as unknown as { fields: (string | null)[] }).fields)
            break
          case 'commandComplete':
            results.push({ columns, rows, tag: (message as unknown as { text: string }).text })
            columns = []
            rows = []
            break
          case 'notice': {
            const notice = message as unknown as { severity: string; message: string }
            notices.push({ severity: notice.severity, message: notice.message })
            break
          }
          case 'error': {
            const { code, message: text, detail, hint, position } = message as unknown as NonNullable<SqlAnswer['error']>
            error = { code, message: text, detail, hint, position }
            break
          }
        }
      }
      return { results, notices, error }
    },
    close: () => db.close(),
  }
}

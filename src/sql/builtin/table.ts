// Decodes a generated table (data/*.ts) into row objects when it is first asked for. The header line names the columns and their kinds;
// an empty field of a nullable column is NULL. Rows are frozen facts: nobody writes to them.

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\', n: '\n', t: '\t', q: '`', d: '$', e: '' }

function unescaped(field: string): string {
  return field.includes('\\') ? field.replace(/\\(.)/g, (_, c: string) => ESCAPES[c]!) : field
}

const EMPTY: readonly never[] = []

function value(field: string, kind: string, nullable: boolean): unknown {
  if (field === '' && nullable) return null
  switch (kind) {
    case 'number':
      return Number(field)
    case 'boolean':
      return field === 't'
    case 'numbers':
      return field === '' || field === '{}' ? EMPTY : field.split(' ').map(Number)
    case 'strings':
      return field === '{}' ? EMPTY : unescaped(field).split('|')
    default:
      return unescaped(field)
  }
}

function decode(text: string): unknown[] {
  const lines = text.split('\n')
  const columns = lines[0]!.split('\t').map((spec) => {
    const [name, kind] = spec.split(':') as [string, string]
    return { name, kind: kind.replace('?', ''), nullable: kind.endsWith('?') }
  })
  const rows: unknown[] = []
  for (let i = 1; i < lines.length; i++) {
    const fields = lines[i]!.split('\t')
    const row: Record<string, unknown> = {}
    for (let c = 0; c < columns.length; c++) {
      const { name, kind, nullable } = columns[c]!
      row[name] = value(fields[c] ?? '', kind, nullable)
    }
    rows.push(row)
  }
  return rows
}

/** A table's rows, decoded on the first call. */
export function table<Row>(text: string): () => readonly Row[] {
  let rows: readonly Row[] | null = null
  return () => (rows ??= decode(text) as Row[])
}

/** A unique index over `rows`, built on the first look-up. */
export function uniqueIndex<Row, Key extends string | number>(
  rows: () => readonly Row[],
  key: (row: Row) => Key,
): (key: Key) => Row | undefined {
  let map: Map<Key, Row> | null = null
  return (wanted) => {
    map ??= new Map(rows().map((row) => [key(row), row]))
    return map.get(wanted)
  }
}

/** A non-unique index over `rows`; answers rows in table order. */
export function multiIndex<Row, Key extends string | number>(
  rows: () => readonly Row[],
  key: (row: Row) => Key,
): (key: Key) => readonly Row[] {
  let map: Map<Key, Row[]> | null = null
  return (wanted) => {
    if (map === null) {
      map = new Map()
      for (const row of rows()) {
        const k = key(row)
        const list = map.get(k)
        if (list === undefined) map.set(k, [row])
        else list.push(row)
      }
    }
    return map.get(wanted) ?? EMPTY
  }
}

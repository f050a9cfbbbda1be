// Cuts a text into statements at top-level semicolons, as the grammar's scanner would: used only for texts that may hold tenant statements.

export interface Piece {
  readonly start: number
  readonly end: number
}

const TENANT_WORDS = /\btenants?\b|\bshare\b|\baudit\b|\bexport\b|\btenant_restore\b/i

/** False for nearly every text, cheaply; true only means that it is worth a closer look. */
export function mayHoldTenantStatement(text: string): boolean {
  return TENANT_WORDS.test(text)
}

/** End of the quoted thing, comment or plain character that begins at `i`. */
function skipToken(text: string, i: number): number {
  const c = text[i]!
  if (c === "'" || c === '"') {
    const escapes = c === "'" && /[eE]/.test(text[i - 1] ?? '') && !/[\w$]/.test(text[i - 2] ?? ' ')
    for (let j = i + 1; j < text.length; j++) {
      if (escapes && text[j] === '\\') j++
      else if (text[j] === c) {
        if (text[j + 1] !== c) return j + 1
        j++
      }
    }
    return text.length
  }
  if (c === '-' && text[i + 1] === '-') {
    const end = text.indexOf('\n', i)
    return end < 0 ? text.length : end
  }
  if (c === '/' && text[i + 1] === '*') {
    let depth = 1
    let j = i + 2
    while (j < text.length && depth > 0) {
      if (text.startsWith('*/', j)) {
        depth--
        j += 2
      } else if (text.startsWith('/*', j)) {
        depth++
        j += 2
      } else j++
    }
    return j
  }
  if (c === '$' && !/[\w$]/.test(text[i - 1] ?? ' ')) {
    const tag = /^\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/.exec(text.slice(i, i + 130))
    if (tag !== null) {
      const end = text.indexOf(tag[0], i + tag[0].length)
      return end < 0 ? text.length : end + tag[0].length
    }
  }
  return i + 1
}

/** The non-empty statements, without white space and comments around them. Bodies in BEGIN ATOMIC … END stay whole for the grammar. */
export function splitStatements(text: string): Piece[] {
  const pieces: Piece[] = []
  let start = -1
  let depth = 0
  const close = (end: number): void => {
    if (start >= 0) pieces.push({ start, end })
    start = -1
  }
  for (let i = 0; i < text.length; ) {
    const c = text[i]!
    if (c === ';' && depth <= 0) {
      close(i)
      i++
      continue
    }
    if (c === '(') depth++
    else if (c === ')') depth--
    const next = skipToken(text, i)
    const comment = (c === '-' && next > i + 1) || (c === '/' && next > i + 1)
    if (start < 0 && !comment && !/\s/.test(c)) start = i
    i = next
  }
  close(text.length)
  return pieces
}

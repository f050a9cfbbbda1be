// Identifiers longer than a name may be: the scanner cuts them to 63 bytes, PostgreSQL says so in a notice.

const MAX_NAME_BYTES = 63

/** Nothing shorter than half the limit can be too long, in UTF-8 with up to four bytes to a character. */
const MAYBE = /[\w$\u0080-\uffff]{16}|"[^"]{16}/
const TOKEN =
  /[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|\$([A-Za-z_\u0080-\uffff]\w*)?\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\/|"((?:[^"]|"")*)"|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|\d[\w.]*/g

/** The first 63 bytes, whole characters only. */
function cut(name: string): string {
  let bytes = 0
  let out = ''
  for (const char of name) {
    bytes += Buffer.byteLength(char)
    if (bytes > MAX_NAME_BYTES) break
    out += char
  }
  return out
}

/** The notices' texts, in the order of the statement. */
export function truncatedIdentifiers(text: string): string[] {
  if (text.length < 16 || !MAYBE.test(text)) return []
  const messages: string[] = []
  for (const [, , quoted, bare] of text.matchAll(TOKEN)) {
    const name = quoted !== undefined ? quoted.replaceAll('""', '"') : bare?.toLowerCase()
    if (name === undefined || Buffer.byteLength(name) <= MAX_NAME_BYTES) continue
    messages.push(`identifier "${name}" will be truncated to "${cut(name)}"`)
  }
  return messages
}

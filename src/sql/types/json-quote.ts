// A string as a JSON literal, escaped as PostgreSQL escapes it. // hot

/** escape_json */
export function quoteJson(text: string): string {
  let plain = true
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c < 32 || c === 34 || c === 92) {
      plain = false
      break
    }
  }
  if (plain) return `"${text}"`
  let out = '"'
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c >= 32 && c !== 34 && c !== 92) continue
    out += text.slice(from, i)
    from = i + 1
    switch (c) {
      case 8:
        out += '\\b'
        break
      case 9:
        out += '\\t'
        break
      case 10:
        out += '\\n'
        break
      case 12:
        out += '\\f'
        break
      case 13:
        out += '\\r'
        break
      case 34:
        out += '\\"'
        break
      case 92:
        out += '\\\\'
        break
      default:
        out += `\\u${c.toString(16).padStart(4, '0')}`
    }
  }
  return `${out}${text.slice(from)}"`
}

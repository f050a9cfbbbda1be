// A scanner of TypeScript sources, just good enough to find imports and the word `any` in types: comments, strings, templates and regular
// expressions are recognised, everything else is words and punctuation.

export interface Token {
  kind: 'word' | 'string' | 'punctuation'
  text: string
  line: number
}

/** Words after which a slash opens a regular expression. */
const BEFORE_REGEX = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'delete',
  'void',
  'instanceof',
  'new',
  'else',
  'do',
  'throw',
  'await',
  'yield',
])

export function scan(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  let line = 1
  /** Open template literals: the depth of braces at which each goes on. */
  const templates: number[] = []
  let depth = 0
  const push = (kind: Token['kind'], text: string): void => void tokens.push({ kind, text, line })
  const countLines = (text: string): void => {
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) line++
  }

  function template(): void {
    while (at < source.length) {
      if (source[at] === '\\') at++
      else if (source[at] === '`') {
        at++
        return
      } else if (source[at] === '$' && source[at + 1] === '{') {
        at += 2
        templates.push(depth++)
        return
      } else if (source[at] === '\n') line++
      at++
    }
  }

  function regexAllowed(): boolean {
    const last = tokens.at(-1)
    if (last === undefined) return true
    if (last.kind === 'word') return BEFORE_REGEX.has(last.text)
    return last.kind === 'punctuation' && ![')', ']', '}'].includes(last.text)
  }

  function regex(): void {
    let inClass = false
    at++
    for (; at < source.length; at++) {
      const c = source[at]!
      if (c === '\\') at++
      else if (c === '[') inClass = true
      else if (c === ']') inClass = false
      else if (c === '/' && !inClass) break
    }
    at++
    push('punctuation', '/regex/')
  }

  while (at < source.length) {
    const c = source[at]!
    if (c === '\n') {
      line++
      at++
    } else if (/\s/.test(c)) at++
    else if (source.startsWith('//', at)) {
      const end = source.indexOf('\n', at)
      at = end < 0 ? source.length : end
    } else if (source.startsWith('/*', at)) {
      const end = source.indexOf('*/', at + 2)
      const stop = end < 0 ? source.length : end + 2
      countLines(source.slice(at, stop))
      at = stop
    } else if (c === "'" || c === '"') {
      let end = at + 1
      while (end < source.length && source[end] !== c) end += source[end] === '\\' ? 2 : 1
      push('string', source.slice(at + 1, end))
      at = end + 1
    } else if (c === '`') {
      push('string', '')
      at++
      template()
    } else if (/[A-Za-z_$#\u0080-\uffff]/.test(c)) {
      let end = at + 1
      while (end < source.length && /[\w$\u0080-\uffff]/.test(source[end]!)) end++
      push('word', source.slice(at, end))
      at = end
    } else if (c === '/' && regexAllowed()) regex()
    else {
      at++
      if (c === '{') depth++
      else if (c === '}') {
        depth--
        if (templates.at(-1) === depth) {
          templates.pop()
          template()
          continue
        }
      }
      if (c === '=' && source[at] === '>') {
        at++
        push('punctuation', '=>')
      } else push('punctuation', c)
    }
  }
  return tokens
}

export interface Import {
  specifier: string
  line: number
  /** Nothing of it is left at run time. */
  typeOnly: boolean
  /** `export … from` */
  reexport: boolean
}

/** Static imports, re-exports, and `import('…')` in expressions and types. */
export function importsOf(tokens: readonly Token[]): Import[] {
  const found: Import[] = []
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!
    if (token.kind !== 'word' || (token.text !== 'import' && token.text !== 'export') || tokens[i - 1]?.text === '.') continue
    const next = tokens[i + 1]
    if (token.text === 'import' && next?.text === '(') {
      const argument = tokens[i + 2]
      if (argument?.kind === 'string') found.push({ specifier: argument.text, line: token.line, typeOnly: false, reexport: false })
      continue
    }
    if (token.text === 'import' && next?.kind === 'string') {
      found.push({ specifier: next.text, line: token.line, typeOnly: false, reexport: false })
      continue
    }
    if (
      token.text === 'export' &&
      next?.text !== '{' &&
      next?.text !== '*' &&
      !(next?.text === 'type' && /[{*]/.test(tokens[i + 2]?.text ?? ''))
    )
      continue
    // Up to `from '…'`; an `export { … }` of the file's own names has none.
    let end = i + 1
    let typesInside = 0
    let namesInside = 0
    while (
      end < tokens.length &&
      tokens[end]!.text !== 'from' &&
      tokens[end]!.text !== '=' &&
      !(tokens[end]!.text === '}' && tokens[end + 1]?.text !== 'from')
    ) {
      if (tokens[end]!.text === 'type' && (tokens[end - 1]?.text === '{' || tokens[end - 1]?.text === ',')) typesInside++
      if (tokens[end]!.text === '{' || tokens[end]!.text === ',') if (tokens[end + 1]?.kind === 'word') namesInside++
      end++
    }
    const source = tokens[end + 1]
    if (tokens[end]?.text !== 'from' || source?.kind !== 'string') continue
    const whole = next?.text === 'type' && tokens[i + 2]?.text !== 'from'
    found.push({
      specifier: source.text,
      line: token.line,
      typeOnly: whole || (typesInside > 0 && typesInside === namesInside),
      reexport: token.text === 'export',
    })
    i = end + 1
  }
  return found
}

const BEFORE_TYPE = new Set([':', '<', '|', '&', '=>', 'as', 'is', 'extends', 'satisfies', 'keyof', 'readonly'])
const AFTER_NAME = new Set([':', '(', '.', '?'])

/** Lines where `any` stands as a type (and not as a variable's name; Biome's noExplicitAny sees the rest). */
export function anyTypes(tokens: readonly Token[]): number[] {
  return tokens.filter((token, i) => token.kind === 'word' && token.text === 'any' && isType(tokens, i)).map((token) => token.line)
}

function isType(tokens: readonly Token[], i: number): boolean {
  const before = tokens[i - 1]?.text ?? ''
  const after = tokens[i + 1]?.text ?? ''
  if (AFTER_NAME.has(after)) return false
  if (before === ',') return after === '>' || after === '['
  if (before === '=') return ['type', '<', ','].includes(tokens[i - 3]?.text ?? '')
  return BEFORE_TYPE.has(before)
}

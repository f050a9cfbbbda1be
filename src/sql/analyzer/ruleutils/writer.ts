// The text under construction: PostgreSQL's layout of deparsed queries (new lines before clauses, indentation) and its two pretty flags.

import type { Oid } from '../../../base/ids.ts'
import type { CatalogSnapshot } from '../../../catalog/snapshot.ts'
import type { IoSettings } from '../../types/eval-context.ts'
import type { TypeSupport } from '../../types/type.ts'
import type { Query } from '../query.ts'

/** What deparsing looks up: names, and how constants print. */
export interface DeparseContext {
  readonly catalog: CatalogSnapshot
  /** Names found through it are printed unqualified. */
  readonly searchPath: readonly Oid[]
  readonly typeSupport: (type: Oid) => TypeSupport
  /** Constants print as the session's settings would have it (DateStyle, IntervalStyle …). */
  readonly io: IoSettings
}

export const INDENT_STD = 8
export const INDENT_JOIN = 4
export const INDENT_VAR = 4
const INDENT_LIMIT = 40

/** Names of one query level's range table. */
export interface Names {
  readonly query: Query | null
  readonly refnames: readonly (string | null)[]
  /** By entry: column names by attno - 1. */
  readonly columns: readonly (readonly (string | null)[])[]
}

export class Writer {
  text = ''
  indent: number
  /** Leave out brackets that precedence makes unnecessary. */
  readonly prettyParen: boolean
  readonly prettyIndent: boolean
  readonly ctx: DeparseContext
  /** Innermost level first. */
  names: readonly Names[]
  /** Qualify columns by their relation's name. */
  varPrefix: boolean
  windows: Query['windowClause'] = []
  targetList: Query['targetList'] = []

  constructor(
    ctx: DeparseContext,
    pretty: { paren: boolean; indent: boolean },
    names: readonly Names[],
    varPrefix: boolean,
    indent: number,
  ) {
    this.ctx = ctx
    this.prettyParen = pretty.paren
    this.prettyIndent = pretty.indent
    this.names = names
    this.varPrefix = varPrefix
    this.indent = indent
  }

  add(text: string): void {
    this.text += text
  }

  /** Spaces before a new line are not kept. */
  trim(): void {
    let end = this.text.length
    while (end > 0 && this.text[end - 1] === ' ') end--
    this.text = this.text.slice(0, end)
  }

  /** A clause's keyword, on a line of its own where the layout is indented. */
  keyword(text: string, before: number, after: number, plus: number): void {
    if (!this.prettyIndent) {
      this.add(text)
      return
    }
    this.indent += before
    this.trim()
    this.text += '\n'
    const amount = this.indent < INDENT_LIMIT ? Math.max(this.indent, 0) + plus : INDENT_LIMIT + ((this.indent - INDENT_LIMIT) % 4) + plus
    this.text += ' '.repeat(amount) + text
    this.indent = Math.max(this.indent + after, 0)
  }

  /** What `body` writes, apart. */
  capture(body: () => void): string {
    const saved = this.text
    this.text = ''
    body()
    const own = this.text
    this.text = saved
    return own
  }

  /** Characters since the last new line count for wrapping: with wrap column 0 every item gets its own line. */
  wrap(item: string, first: boolean): void {
    if (this.prettyIndent) {
      if (item.startsWith('\n')) this.trim()
      else if (!first) this.keyword('', -INDENT_STD, INDENT_STD, INDENT_VAR)
    }
    this.add(item)
  }
}

// The tenant statements (CREATE TENANT …, SHOW TENANT …, shares, usage, audit), which PostgreSQL's grammar does not know: a recursive
// descent parser of their own. Names are case-sensitive and may be quoted; a bare number is a keyspace id. Errors are 42601 with position.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { positionOfIndex } from './positions.ts'
import { splitStatements } from './split.ts'
import { type TenantToken, tokenizeTenant } from './tenant-lexer.ts'

/** A tenant by name or by numeric keyspace id; `position` is its character position in the statement's source. */
export interface TenantRef {
  readonly name: string | null
  readonly id: number | null
  readonly position: number
}
export type OptionValue = string | number | boolean
export interface TenantOption {
  readonly name: string
  readonly value: OptionValue
  readonly position: number
}

interface Common {
  readonly tag: string
  readonly readOnly: boolean
  readonly returnsRows: boolean
}
export type TenantStatement = Common &
  (
    | {
        readonly kind: 'create tenant'
        readonly name: string
        readonly namePosition: number
        readonly ifNotExists: boolean
        readonly options: readonly TenantOption[]
        readonly clone: { readonly source: TenantRef; readonly asOf: string | null } | null
      }
    | { readonly kind: 'show tenants' }
    | { readonly kind: 'show tenant'; readonly tenant: TenantRef }
    | { readonly kind: 'show tenant usage' | 'show tenant quota' | 'show tenant keys'; readonly tenant: TenantRef | null }
    | { readonly kind: 'suspend tenant'; readonly tenant: TenantRef; readonly reason: string | null }
    | { readonly kind: 'resume tenant' | 'archive tenant' | 'unarchive tenant'; readonly tenant: TenantRef }
    | { readonly kind: 'set retention'; readonly tenant: TenantRef; readonly retention: string; readonly position: number }
    | { readonly kind: 'set quota'; readonly tenant: TenantRef; readonly quotas: readonly TenantOption[]; readonly mode: string | null }
    | {
        readonly kind: 'reset quota'
        readonly tenant: TenantRef
        readonly quotas: readonly { readonly name: string; readonly position: number }[]
      }
    | { readonly kind: 'set placement'; readonly tenant: TenantRef; readonly options: readonly TenantOption[] }
    | { readonly kind: 'rotate key'; readonly tenant: TenantRef; readonly key: 'DEK' | 'KEK' }
    | { readonly kind: 'rewind tenant'; readonly tenant: TenantRef; readonly to: string; readonly position: number }
    | { readonly kind: 'drop tenant'; readonly tenant: TenantRef; readonly ifExists: boolean }
    | { readonly kind: 'undrop tenant'; readonly tenant: TenantRef }
    | { readonly kind: 'purge tenant'; readonly tenant: TenantRef; readonly confirm: boolean }
    | { readonly kind: 'grant backup' | 'revoke backup'; readonly tenant: TenantRef; readonly role: string }
    | {
        readonly kind: 'grant share' | 'revoke share'
        readonly columns: readonly string[]
        readonly table: readonly string[]
        readonly tablePosition: number
        readonly tenant: TenantRef
        /** The text of the WHERE condition, to be parsed as an expression. */
        readonly where: string | null
        readonly expiresIn: string | null
        readonly purpose: string | null
      }
    | { readonly kind: 'accept share'; readonly from: TenantRef | null; readonly table: readonly string[] | null }
    | {
        readonly kind: 'export usage'
        readonly tenant: TenantRef
        readonly period: string
        readonly periodPosition: number
        readonly format: string
      }
    | { readonly kind: 'show audit log'; readonly tenant: TenantRef | null; readonly limit: number | null }
    | { readonly kind: 'backup tenant'; readonly tenant: TenantRef; readonly options: readonly TenantOption[] }
    | { readonly kind: 'restore tenant'; readonly tenant: TenantRef; readonly dryRun: boolean }
    | {
        readonly kind: 'create tenant user'
        readonly user: string
        readonly password: string | null
        readonly role: string | null
        readonly tenant: TenantRef
      }
  )

/** Null when the text is not a tenant statement: then it is the grammar's. `offset` = characters before `text` in the source. */
export function parseTenantStatement(text: string, offset = 0): TenantStatement | null {
  if (!/^\s*(?:--[^\n]*\n\s*|\/\*[\s\S]*?\*\/\s*)*(?:create|show|alter|drop|undrop|purge|grant|revoke|accept|export|copy)\b/i.test(text))
    return null
  const tokens = tokenizeTenant(text)
  if (tokens === null) return null
  const parser = createParser(text, tokens, offset)
  const production = choose(parser)
  if (production === null) return null
  const statement = production()
  parser.end()
  return statement
}

/** Whether one of a text's statements is ours, well formed or not. */
export function holdsTenantStatement(text: string): boolean {
  return splitStatements(text).some(({ start, end }) => {
    try {
      return parseTenantStatement(text.slice(start, end)) !== null
    } catch (error) {
      if (error instanceof PgError) return true
      throw error
    }
  })
}

function createParser(text: string, tokens: readonly TenantToken[], offset: number) {
  let at = 0
  const position = (token: TenantToken | undefined): number => offset + positionOfIndex(text, token?.start ?? text.length)
  const fail = (token: TenantToken | undefined): never => {
    const near = token === undefined ? 'at end of input' : `at or near "${text.slice(token.start, token.end)}"`
    throw new PgError(SQLSTATE.syntaxError, `syntax error ${near}`, { position: position(token) })
  }
  const isWord = (token: TenantToken | undefined, word: string): boolean =>
    token !== undefined && token.kind === 'word' && token.text.toUpperCase() === word
  const p = {
    peek: (ahead = 0): TenantToken | undefined => tokens[at + ahead],
    here: (): number => position(tokens[at]),
    is: (word: string, ahead = 0): boolean => isWord(tokens[at + ahead], word),
    /** Every word, if all stand here in a row. */
    accept(...words: string[]): boolean {
      if (!words.every((word, i) => isWord(tokens[at + i], word))) return false
      at += words.length
      return true
    },
    expect(...words: string[]): void {
      for (const word of words) {
        if (!isWord(tokens[at], word)) fail(tokens[at])
        at++
      }
    },
    symbol(symbol: string): boolean {
      if (tokens[at]?.kind !== 'symbol' || tokens[at]!.text !== symbol) return false
      at++
      return true
    },
    expectSymbol(symbol: string): void {
      if (!p.symbol(symbol)) fail(tokens[at])
    },
    fail: (): never => fail(tokens[at]),
    next: (): TenantToken => tokens[at++] ?? fail(undefined),
    string(): string {
      const token = tokens[at]
      if (token?.kind !== 'string') return fail(token)
      at++
      return token.text
    },
    /** A tenant's new name: never a number alone. */
    name(): string {
      const token = tokens[at]
      if (token === undefined || (token.kind !== 'word' && token.kind !== 'quoted')) return fail(token)
      at++
      return token.text
    },
    /** An SQL identifier: folded unless quoted. */
    identifier(): string {
      const token = tokens[at]
      if (token === undefined || (token.kind !== 'word' && token.kind !== 'quoted')) return fail(token)
      at++
      return token.kind === 'word' ? token.text.toLowerCase() : token.text
    },
    qualified(): string[] {
      const names = [p.identifier()]
      while (p.symbol('.')) names.push(p.identifier())
      return names
    },
    tenant(): TenantRef {
      const token = tokens[at]
      const where = position(token)
      if (token?.kind === 'number' && /^\d+$/.test(token.text)) {
        at++
        return { name: null, id: Number(token.text), position: where }
      }
      return { name: p.name(), id: null, position: where }
    },
    value(): OptionValue {
      const token = p.next()
      if (token.kind === 'string' || token.kind === 'quoted') return token.text
      if (token.kind === 'number') return Number(token.text)
      if (token.kind === 'word') {
        const word = token.text.toLowerCase()
        return word === 'true' || word === 'on' ? true : word === 'false' || word === 'off' ? false : token.text
      }
      return fail(token)
    },
    option(): TenantOption {
      const where = p.here()
      const name = p.identifier()
      p.symbol('=')
      return { name, value: p.value(), position: where }
    },
    optionList(): TenantOption[] {
      const options: TenantOption[] = []
      p.expectSymbol('(')
      do options.push(p.option())
      while (p.symbol(','))
      p.expectSymbol(')')
      return options
    },
    /** Source text from here up to one of `words` at depth 0, or to the end. */
    textUntil(...words: string[]): string {
      const from = tokens[at]
      if (from === undefined) return fail(undefined)
      let depth = 0
      let last = from
      while (at < tokens.length) {
        const token = tokens[at]!
        if (depth === 0 && words.some((word) => isWord(token, word))) break
        if (token.kind === 'symbol' && token.text === '(') depth++
        if (token.kind === 'symbol' && token.text === ')') depth--
        last = token
        at++
      }
      return text.slice(from.start, last.end)
    },
    end(): void {
      if (at < tokens.length) fail(tokens[at])
    },
  }
  return p
}
type Parser = ReturnType<typeof createParser>

const reads = (tag: string): Common => ({ tag, readOnly: true, returnsRows: true })
const writes = (tag: string): Common => ({ tag, readOnly: false, returnsRows: false })

/** Which statement begins here: from its first words, before anything can fail. */
function choose(p: Parser): (() => TenantStatement) | null {
  if (p.accept('CREATE', 'TENANT')) return () => createTenant(p)
  if (p.accept('SHOW', 'TENANTS')) return () => ({ kind: 'show tenants', ...reads('SHOW TENANTS') })
  // SHOW tenant.name is a setting
  if (p.peek(2)?.text !== '.' && p.accept('SHOW', 'TENANT')) return () => showTenant(p)
  if (p.accept('SHOW', 'AUDIT', 'LOG')) return () => showAudit(p)
  if (p.accept('ALTER', 'TENANT')) return () => alterTenant(p)
  if (p.accept('DROP', 'TENANT')) {
    return () => {
      const ifExists = p.accept('IF', 'EXISTS')
      return { kind: 'drop tenant', tenant: p.tenant(), ifExists, ...writes('DROP TENANT') }
    }
  }
  if (p.accept('UNDROP', 'TENANT')) return () => ({ kind: 'undrop tenant', tenant: p.tenant(), ...writes('UNDROP TENANT') })
  if (p.accept('PURGE', 'TENANT')) {
    return () => ({ kind: 'purge tenant', tenant: p.tenant(), confirm: p.accept('CONFIRM'), ...writes('PURGE TENANT') })
  }
  if (p.accept('GRANT', 'BACKUP') || p.accept('REVOKE', 'BACKUP')) return backupGrant(p, p.is('GRANT', -2))
  if (p.is('SELECT', 1) && (p.is('GRANT') || p.is('REVOKE'))) return sharesTable(p) ? () => shareGrant(p) : null
  if (p.accept('ACCEPT', 'SHARE')) return () => acceptShare(p)
  if (p.accept('EXPORT', 'USAGE')) return () => exportUsage(p)
  if (p.is('COPY')) return chooseCopy(p)
  if (p.is('CREATE') && (p.is('USER', 1) || p.is('ROLE', 1))) return tenantWord(p) ? () => createTenantUser(p) : null
  return null
}

function createTenant(p: Parser): TenantStatement {
  const ifNotExists = p.accept('IF', 'NOT', 'EXISTS')
  const namePosition = p.here()
  const name = p.name()
  let options: TenantOption[] = []
  let clone: { source: TenantRef; asOf: string | null } | null = null
  for (;;) {
    if (options.length === 0 && p.accept('WITH')) options = p.optionList()
    else if (clone === null && p.accept('CLONE')) clone = { source: p.tenant(), asOf: p.accept('AS', 'OF') ? p.string() : null }
    else break
  }
  return { kind: 'create tenant', name, namePosition, ifNotExists, options, clone, ...writes('CREATE TENANT') }
}

function showTenant(p: Parser): TenantStatement {
  for (const what of ['USAGE', 'QUOTA', 'KEYS'] as const) {
    // A tenant may be called "usage": then it is followed by nothing, as is the form without FOR, which wins.
    if (p.accept(what)) {
      const kind = `show tenant ${what.toLowerCase()}` as 'show tenant usage' | 'show tenant quota' | 'show tenant keys'
      return { kind, tenant: p.accept('FOR') ? p.tenant() : null, ...reads(`SHOW TENANT ${what}`) }
    }
  }
  return { kind: 'show tenant', tenant: p.tenant(), ...reads('SHOW TENANT') }
}

function showAudit(p: Parser): TenantStatement {
  const tenant = p.accept('FOR') ? p.tenant() : null
  let limit: number | null = null
  if (p.accept('LIMIT')) {
    const token = p.peek()
    if (token?.kind !== 'number' || !/^\d+$/.test(token.text)) p.fail()
    limit = Number(p.next().text)
  }
  return { kind: 'show audit log', tenant, limit, ...reads('SHOW AUDIT LOG') }
}

function alterTenant(p: Parser): TenantStatement {
  const tenant = p.tenant()
  const common = writes('ALTER TENANT')
  if (p.accept('SUSPEND')) return { kind: 'suspend tenant', tenant, reason: p.peek()?.kind === 'string' ? p.string() : null, ...common }
  if (p.accept('RESUME')) return { kind: 'resume tenant', tenant, ...common }
  if (p.accept('ARCHIVE')) return { kind: 'archive tenant', tenant, ...common }
  if (p.accept('UNARCHIVE')) return { kind: 'unarchive tenant', tenant, ...common }
  if (p.accept('SET', 'RETENTION')) {
    p.symbol('=')
    const position = p.here()
    return { kind: 'set retention', tenant, retention: p.string(), position, ...common }
  }
  if (p.accept('SET', 'QUOTA')) {
    const quotas: TenantOption[] = []
    do quotas.push(p.option())
    while (p.symbol(','))
    const mode = p.accept('MODE') ? String(p.value()) : null
    return { kind: 'set quota', tenant, quotas, mode, ...common }
  }
  if (p.accept('RESET', 'QUOTA')) {
    const quotas: { name: string; position: number }[] = []
    do quotas.push({ position: p.here(), name: p.identifier() })
    while (p.symbol(','))
    return { kind: 'reset quota', tenant, quotas, ...common }
  }
  if (p.accept('SET', 'PLACEMENT')) return { kind: 'set placement', tenant, options: p.optionList(), ...common }
  if (p.accept('ROTATE', 'KEY')) {
    if (p.accept('DEK')) return { kind: 'rotate key', tenant, key: 'DEK', ...common }
    p.expect('KEK')
    return { kind: 'rotate key', tenant, key: 'KEK', ...common }
  }
  p.expect('REWIND', 'TO')
  const position = p.here()
  return { kind: 'rewind tenant', tenant, to: p.string(), position, ...common }
}

function backupGrant(p: Parser, grant: boolean): () => TenantStatement {
  return () => {
    p.expect('ON', 'TENANT')
    const tenant = p.tenant()
    p.expect(grant ? 'TO' : 'FROM')
    return { kind: grant ? 'grant backup' : 'revoke backup', tenant, role: p.identifier(), ...writes(grant ? 'GRANT' : 'REVOKE') }
  }
}

/** GRANT SELECT … TO TENANT x, as opposed to a grant to a role (which may be called tenant). */
function sharesTable(p: Parser): boolean {
  for (let i = 2; p.peek(i) !== undefined; i++) {
    if ((p.is('TO', i) || p.is('FROM', i)) && p.is('TENANT', i + 1)) {
      const after = p.peek(i + 2)
      return after !== undefined && after.kind !== 'symbol'
    }
  }
  return false
}

function shareGrant(p: Parser): TenantStatement {
  const grant = p.is('GRANT')
  p.next()
  p.expect('SELECT')
  const columns: string[] = []
  if (p.symbol('(')) {
    do columns.push(p.identifier())
    while (p.symbol(','))
    p.expectSymbol(')')
  }
  p.expect('ON')
  p.accept('TABLE')
  const tablePosition = p.here()
  const table = p.qualified()
  p.expect(grant ? 'TO' : 'FROM', 'TENANT')
  const tenant = p.tenant()
  let where: string | null = null
  let expiresIn: string | null = null
  let purpose: string | null = null
  while (grant && p.peek() !== undefined) {
    if (where === null && p.accept('WHERE')) where = p.textUntil('EXPIRES', 'PURPOSE')
    else if (expiresIn === null && p.accept('EXPIRES', 'IN')) expiresIn = p.string()
    else if (purpose === null && p.accept('PURPOSE')) purpose = p.string()
    else p.fail()
  }
  const common = writes(grant ? 'GRANT' : 'REVOKE')
  return { kind: grant ? 'grant share' : 'revoke share', columns, table, tablePosition, tenant, where, expiresIn, purpose, ...common }
}

function acceptShare(p: Parser): TenantStatement {
  const table = p.accept('ON', 'TABLE') || p.accept('ON') ? p.qualified() : null
  const from = p.accept('FROM', 'TENANT') || p.accept('FROM') ? p.tenant() : null
  return { kind: 'accept share', from, table, ...writes('ACCEPT SHARE') }
}

function exportUsage(p: Parser): TenantStatement {
  p.expect('FOR', 'TENANT')
  const tenant = p.tenant()
  p.expect('PERIOD')
  const periodPosition = p.here()
  const period = p.string()
  const format = p.accept('FORMAT') ? String(p.value()) : 'json'
  return { kind: 'export usage', tenant, period, periodPosition, format, ...reads('EXPORT USAGE') }
}

function chooseCopy(p: Parser): (() => TenantStatement) | null {
  if (p.peek(1)?.text === '(' && p.is('BACKUP', 2) && p.is('TENANT', 3)) {
    return () => {
      p.expect('COPY')
      p.expectSymbol('(')
      p.expect('BACKUP', 'TENANT')
      const tenant = p.tenant()
      p.expectSymbol(')')
      p.expect('TO', 'STDOUT')
      const options = p.accept('WITH') ? p.optionList() : []
      return { kind: 'backup tenant', tenant, options, tag: 'COPY', readOnly: true, returnsRows: false }
    }
  }
  if (p.is('TENANT_RESTORE', 1) && p.peek(2)?.text === '(') {
    return () => {
      p.expect('COPY', 'TENANT_RESTORE')
      p.expectSymbol('(')
      const tenant = p.tenant()
      p.expectSymbol(')')
      p.expect('FROM', 'STDIN')
      return { kind: 'restore tenant', tenant, dryRun: p.accept('DRY', 'RUN'), ...writes('COPY') }
    }
  }
  return null
}

/** CREATE USER … TENANT x: the word TENANT followed by a name or id, outside quotes. */
function tenantWord(p: Parser): boolean {
  for (let i = 3; p.peek(i) !== undefined; i++) {
    if (p.is('TENANT', i)) return p.peek(i + 1) !== undefined && p.peek(i + 1)!.kind !== 'symbol'
  }
  return false
}

function createTenantUser(p: Parser): TenantStatement {
  p.next()
  p.next()
  const user = p.identifier()
  let password: string | null = null
  let role: string | null = null
  let tenant: TenantRef | null = null
  p.accept('WITH')
  while (p.peek() !== undefined) {
    if (password === null && p.accept('PASSWORD')) password = p.string()
    else if (role === null && p.accept('ROLE')) role = p.identifier()
    else if (tenant === null && p.accept('TENANT')) tenant = p.tenant()
    else p.fail()
  }
  return { kind: 'create tenant user', user, password, role, tenant: tenant ?? p.fail(), ...writes('CREATE ROLE') }
}

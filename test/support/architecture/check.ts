// Checks the house's rules (config/layers.json) over a set of sources, given as path → text so that tests can plant violations.

import path from 'node:path'
import { anyTypes, type Import, importsOf, scan } from './scan.ts'

export interface Layers {
  /** Room → rooms it may import; '*' = all. A file's room is the longest prefix of its path. */
  rooms: Record<string, string[]>
  /** Package → rooms that may import it. */
  packages: Record<string, string[]>
}

interface File {
  path: string
  room: string | null
  imports: Import[]
}

/** Paths are relative to src/, with '/'. Answers one line per violation. */
export function checkArchitecture(sources: ReadonlyMap<string, string>, layers: Layers): string[] {
  const violations: string[] = []
  const files = new Map<string, File>()
  for (const [name, source] of sources) {
    const tokens = scan(source)
    const file = { path: name, room: roomOf(name, layers), imports: importsOf(tokens) }
    files.set(name, file)
    if (file.room === null) violations.push(`${name}: stands in no room`)
    for (const line of anyTypes(tokens)) violations.push(`${name}:${line}: type any`)
    if (/@ts-(ignore|nocheck)/.test(source)) violations.push(`${name}: silences the compiler`)
    const reexports = file.imports.filter((one) => one.reexport).length
    const exports = tokens.filter((token, i) => token.text === 'export' && token.kind === 'word' && tokens[i - 1]?.text !== '.').length
    if (reexports > 0 && reexports === exports) violations.push(`${name}: nothing but re-exports (barrel)`)
  }
  for (const file of files.values()) {
    for (const one of file.imports) {
      const problem = one.specifier.startsWith('.') ? checkRelative(file, one, files, layers) : checkPackage(file, one, layers)
      if (problem !== null) violations.push(`${file.path}:${one.line}: ${problem}`)
    }
  }
  for (const cycle of cycles(files)) violations.push(`import cycle: ${cycle.join(' → ')}`)
  for (const [room, allowed] of Object.entries(layers.rooms)) {
    for (const other of allowed)
      if (other !== '*' && !(other in layers.rooms)) violations.push(`layers: room ${room} names unknown room ${other}`)
  }
  return violations
}

function roomOf(file: string, layers: Layers): string | null {
  let best: string | null = null
  for (const room of Object.keys(layers.rooms)) {
    if ((file === room || file.startsWith(`${room}/`)) && (best === null || room.length > best.length)) best = room
  }
  return best
}

const targetOf = (file: string, specifier: string): string => path.posix.join(path.posix.dirname(file), specifier)

function checkRelative(file: File, one: Import, files: ReadonlyMap<string, File>, layers: Layers): string | null {
  const target = targetOf(file.path, one.specifier)
  const found = files.get(target)
  if (found === undefined) return target.endsWith('.ts') ? `imports ${target}, which does not exist` : null
  const { room } = file
  if (room === null || found.room === null || room === found.room) return null
  const allowed = layers.rooms[room]!
  return allowed.includes('*') || allowed.includes(found.room) ? null : `room ${room} may not import ${found.room} (${one.specifier})`
}

function checkPackage(file: File, one: Import, layers: Layers): string | null {
  const { specifier } = one
  const parts = specifier.split('/')
  const name = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : specifier.startsWith('node:') ? specifier : parts[0]!
  const allowed = layers.packages[name]
  if (allowed === undefined) return specifier.startsWith('node:') ? null : `package ${name} is not listed`
  return file.room !== null && allowed.includes(file.room) ? null : `room ${file.room} may not import package ${name}`
}

/** Strongly connected components of the run-time imports with more than one file. Type imports leave no trace and may point back. */
function cycles(files: ReadonlyMap<string, File>): string[][] {
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const onStack = new Set<string>()
  const found: string[][] = []

  function visit(name: string): void {
    index.set(name, index.size)
    low.set(name, index.get(name)!)
    stack.push(name)
    onStack.add(name)
    for (const one of files.get(name)!.imports) {
      if (one.typeOnly || !one.specifier.startsWith('.')) continue
      const target = targetOf(name, one.specifier)
      if (!files.has(target)) continue
      if (!index.has(target)) {
        visit(target)
        low.set(name, Math.min(low.get(name)!, low.get(target)!))
      } else if (onStack.has(target)) low.set(name, Math.min(low.get(name)!, index.get(target)!))
    }
    if (low.get(name) !== index.get(name)) return
    const component = stack.splice(stack.indexOf(name))
    for (const member of component) onStack.delete(member)
    if (component.length > 1) found.push(component.sort())
  }
  for (const name of files.keys()) if (!index.has(name)) visit(name)
  return found
}

export function catalogFunctions(..._a: unknown[]): [string, (...args: readonly unknown[]) => unknown][] {
  return []
}

// Many pieces of asynchronous work, a bounded number at a time. The first failure is the answer, after what was begun has ended.

export async function inParallel<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  if (items.length === 1) return work(items[0]!)
  let next = 0
  let failed: { error: unknown } | null = null
  const run = async (): Promise<void> => {
    while (next < items.length && failed === null) {
      const item = items[next++]!
      try {
        await work(item)
      } catch (error) {
        failed ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, run))
  if (failed !== null) throw (failed as { error: unknown }).error
}

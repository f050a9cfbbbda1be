// Background work in rounds: one round over the open keyspaces after another, never two at a time.

export interface Rounds {
  /** Ends the work; resolves when a round under way has stopped, as `isStopping` asks it to. */
  stop(): Promise<void>
}

/** `round` handles its errors itself. */
export function startRounds(intervalMs: number, round: (isStopping: () => boolean) => Promise<void>): Rounds {
  let stopping = false
  let running: Promise<void> | null = null
  const timer = setInterval(() => {
    running ??= round(() => stopping).finally(() => {
      running = null
    })
  }, intervalMs)
  timer.unref()
  return {
    async stop() {
      stopping = true
      clearInterval(timer)
      await running
    },
  }
}

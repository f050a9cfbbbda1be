// Messages of either query protocol as a test wants them, on a connection of pg's, and all that is answered, a line per message.

import type pg from 'pg'

interface Answer {
  name: string
  fields?: unknown[]
  code?: string
  text?: string
}

/** What pg's connection can be asked for and tells. */
export interface Wire {
  query(text: string): void
  parse(query: { name?: string; text: string }): void
  bind(config: { portal?: string; statement?: string }): void
  describe(what: { type: 'S' | 'P'; name?: string }): void
  execute(config: { portal?: string; rows?: number }): void
  close(what: { type: 'P'; name: string }): void
  sync(): void
  on(event: 'message', listener: (message: Answer) => void): void
  off(event: 'message', listener: (message: Answer) => void): void
}

const shown = (message: Answer): string => {
  switch (message.name) {
    case 'dataRow':
      return (message.fields as string[]).join('|')
    case 'rowDescription':
      return `columns ${(message.fields as { name: string }[]).map(({ name }) => name).join(' ')}`
    case 'error':
      return `error ${message.code}`
    case 'commandComplete':
      return message.text!
    default:
      return message.name
  }
}

export interface Converse {
  /** Sends what `send` writes and a Sync; everything the server answers up to ReadyForQuery, or up to an error. */
  (send: (wire: Wire) => void): Promise<string[]>
  /** The same of one Query. */
  query(text: string): Promise<string[]>
}

const ignored = () => undefined

export function converseWith(client: pg.Client): Converse {
  const { connection } = client as unknown as { connection: Wire }
  const talk = (send: (wire: Wire) => void): Promise<string[]> =>
    new Promise((resolve) => {
      const said: string[] = []
      const listen = (message: Answer): void => {
        if (message.name !== 'readyForQuery') said.push(shown(message))
      }
      const end = (): void => {
        connection.off('message', listen)
        resolve(said)
      }
      client.query({
        submit(wire: Wire) {
          connection.on('message', listen)
          send(wire)
        },
        handleRowDescription: ignored,
        handleDataRow: ignored,
        handleCommandComplete: ignored,
        handlePortalSuspended: ignored,
        handleEmptyQuery: ignored,
        handleError: end,
        handleReadyForQuery: end,
      } as unknown as pg.Submittable)
    })
  const extended = (send: (wire: Wire) => void): Promise<string[]> =>
    talk((wire) => {
      send(wire)
      wire.sync()
    })
  return Object.assign(extended, { query: (text: string) => talk((wire) => wire.query(text)) })
}

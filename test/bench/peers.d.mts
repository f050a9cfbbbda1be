/** A database server that a bench or test started. */
export interface Peer {
  readonly name: string
  readonly version: string
  readonly port: number
  readonly env: Readonly<Record<string, string>>
  /** CPU seconds it has used. */
  cpu(): number
  stop(): Promise<void>
}
export function startPostgres(settings?: readonly string[]): Promise<Peer | null>
/** Whether PostgreSQL's server binaries are installed. */
export function hasPostgres(): boolean

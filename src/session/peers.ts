// What nodes that serve the same keyspace ask each other: who is connected, which locks are held, who waits for whom. An answer is JSON of the asked
// node's own sessions in that keyspace, and nothing else.

export type PeerQuestion = 'sessions' | 'locks' | 'waits'

export interface PeerAnswers {
  /** One for each node that answered in time. */
  readonly texts: readonly string[]
  /** Nodes that should have answered and did not. */
  readonly silent: number
  /** performance.now(); what they say was so after it. */
  readonly askedAt: number
}

/** A question as it arrives: an id, and the key that the answer is sealed for. */
export interface AskedQuestion {
  readonly id: string
  readonly question: PeerQuestion
  readonly key: string
}

/** The other nodes with sessions in a keyspace. */
export interface Peers {
  /** Before a session begins here: from now on the others ask this node, too. */
  join(): Promise<void>
  /** A session has ended. */
  left(): void
  /** Asks all of them; what was asked at most `maxAgeMs` ago is not asked again. Takes a second at most, a little more on a slow store. */
  ask(question: PeerQuestion, maxAgeMs: number): Promise<PeerAnswers>
  /** Another node asked. */
  answer(asked: AskedQuestion, text: string): Promise<void>
  close(): Promise<void>
}

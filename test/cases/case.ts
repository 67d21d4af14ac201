/** One thing that must hold. Its tests carry the id in brackets at the start of their title: `[B-08] refuses …`. */
export interface Case {
  id: string
  /** What must hold, in a line. */
  holds: string
  /** A refusal has an accepted twin: the same request with the single fault mended (`[B-08 twin] accepts …`). */
  refusal?: true
  /** Why it does not arise here. A case with a reason needs no test. */
  reason?: string
}

export const refuses = (id: string, holds: string): Case => ({ id, holds, refusal: true })
export const holds = (id: string, what: string): Case => ({ id, holds: what })
export const absent = (id: string, what: string, reason: string): Case => ({ id, holds: what, reason })

/** A refusal with a message that may be shown. */
export class Refusal extends Error {
  readonly status: number
  readonly error: string

  constructor(status: number, error: string, message: string) {
    super(message)
    this.status = status
    this.error = error
  }
}

/** The rule for one field of a request body. */
export interface Rule<Value> {
  is(value: unknown): value is Value
  /** Follows the field's name: `must be …`. */
  remedy: string
}

type Values<Rules> = { [Name in keyof Rules]: Rules[Name] extends Rule<infer Value> ? Value : never }

/**
 * Reads a JSON object with exactly these fields. Any other field is refused by its name, not ignored: callers that send
 * `owner` or `permissions` expect an effect.
 *
 * @throws Refusal 400 `invalid_request`
 */
export async function readFields<Rules extends Record<string, Rule<unknown>>>(
  request: Request,
  rules: Rules,
): Promise<Values<Rules>> {
  const refusal = (message: string) => new Refusal(400, 'invalid_request', message)
  const body: unknown = await request.json().catch(() => undefined)
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw refusal(`Send a JSON object with ${Object.keys(rules).join(', ')}.`)
  const fields = new Map(Object.entries(body))
  for (const name of fields.keys())
    if (!Object.hasOwn(rules, name)) throw refusal(`"${name.slice(0, 40)}" is not accepted in a request. Remove it.`)
  for (const [name, { is, remedy }] of Object.entries(rules))
    if (!is(fields.get(name))) throw refusal(`"${name}" ${remedy}`)
  return Object.fromEntries(fields) as Values<Rules>
}

import { callWithTimeout } from '../../protocol/timeout.js'
import { agentError } from '../errors.js'
import { type AgentLimits, isAllowed } from '../limits.js'

/** A part of the input of a model. Results of tools are parts too: they may contain text of anybody. */
export interface Segment {
  role: 'system' | 'user' | 'assistant' | 'tool'
  text: string
}

/** Classifies a text: resolves to a name in `categories`. Any other name, and any error, refuses the call. */
export type Classify = (segment: Segment, options: { signal: AbortSignal }) => string | Promise<string>

export interface CategoriesOptions {
  /** Called for each segment of `input`. */
  classify?: Classify
  /** The roles for each category: `{ support: ['reader', 'writer'], code: ['executor'] }`. */
  categories?: Readonly<Record<string, readonly string[]>>
  /** Seconds that `classify` may take. Default 5. */
  classifyTimeout?: number
}

/** Checks whether the categories of a prompt are allowed for a role. @throws TypeError naming the option */
export function createCategories({ classify, categories, classifyTimeout = 5 }: CategoriesOptions) {
  if (!classify !== !categories)
    throw new TypeError('createToolAccess: "classify" and "categories" belong together: pass both or neither')
  const roles = new Map(Object.entries(categories ?? {}))

  /** @throws SallyportError `category_denied` */
  return async (
    input: string | readonly Segment[] | undefined,
    role: string | undefined,
    limits: AgentLimits,
  ): Promise<void> => {
    if (!classify) return
    const segments: readonly unknown[] =
      typeof input === 'string' ? [{ role: 'user', text: input }] : Array.isArray(input) ? input : []
    if (!segments.length) throw agentError('category_denied', { because: 'no input' })
    const results = await classifyInTime(classifyTimeout, (signal) =>
      Promise.all(
        segments.map(async (segment) => {
          // It may come from a request's body, with any type.
          const { role, text } = Object(segment) as Partial<Segment>
          return role !== undefined && typeof text === 'string' ? classify({ role, text }, { signal }) : undefined
        }),
      ),
    )
    for (const category of results) {
      const allowed = category !== undefined && role !== undefined && roles.get(category)?.includes(role)
      if (!allowed || !isAllowed(limits, 'categories', category))
        throw agentError('category_denied', { because: category ?? 'unreadable' })
    }
  }
}

/** An error and a timeout both refuse the call. */
async function classifyInTime<Result>(
  seconds: number,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController()
  try {
    return await callWithTimeout(() => work(controller.signal), seconds)
  } catch (cause) {
    controller.abort(cause)
    throw agentError('category_denied', { because: 'not classified', cause })
  }
}

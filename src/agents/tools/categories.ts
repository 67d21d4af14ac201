import { agentError } from '../errors.js'
import { type AgentLimits, isWithin } from '../limits.js'

/** A part of what a model will read. What a tool has answered is one, too: it may hold anybody's words. */
export interface Segment {
  role: 'system' | 'user' | 'assistant' | 'tool'
  text: string
}

/** Says what a text is about, in one of the names of `categories`. Anything else, and any error, refuses the call. */
export type Classify = (segment: Segment, options: { signal: AbortSignal }) => string | Promise<string>

export interface CategoriesOptions {
  /** Asked about every segment of `input`, and told nothing that the caller says about it. */
  classify?: Classify
  /** Which roles may ask about what: `{ support: ['reader', 'writer'], code: ['executor'] }`. */
  categories?: Readonly<Record<string, readonly string[]>>
  /** Seconds that `classify` may take. Default 5. */
  classifyTimeout?: number
}

/** Whether what a prompt is about is for a role. @throws TypeError naming the option */
export function createCategories({ classify, categories, classifyTimeout = 5 }: CategoriesOptions) {
  if (!classify !== !categories)
    throw new TypeError('createToolAccess: "classify" and "categories" belong together: what it is about, and for whom')
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
    const found = await withTimeout(classifyTimeout, (signal) =>
      Promise.all(
        segments.map(async (segment) => {
          // It may come from a request's body, as anything.
          const { role, text } = Object(segment) as Partial<Segment>
          return role !== undefined && typeof text === 'string' ? classify({ role, text }, { signal }) : undefined
        }),
      ),
    )
    for (const category of found) {
      const allowed = category !== undefined && role !== undefined && roles.get(category)?.includes(role)
      if (!allowed || !isWithin(limits, 'categories', category))
        throw agentError('category_denied', { because: category ?? 'unreadable' })
    }
  }
}

/** An error and a timeout are alike: nobody knows. */
async function withTimeout<Result>(seconds: number, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController()
  const late = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason))
  })
  const timer = setTimeout(() => controller.abort(new Error('the classifier took too long')), seconds * 1000)
  try {
    return await Promise.race([work(controller.signal), late])
  } catch (cause) {
    throw agentError('category_denied', { because: 'not classified', cause })
  } finally {
    clearTimeout(timer)
  }
}

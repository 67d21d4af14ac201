/** What a {@link SallyportError} may carry besides its code and message. */
export interface SallyportErrorOptions {
  /** Whether the same call may succeed later without anybody changing anything. Default `false`. */
  retryable?: boolean
  /** The evidence: another error, or the words of a server (`error`, `error_description`, `status`). Never a secret. */
  cause?: unknown
}

/**
 * The one error class of sallyport. Branch on `code`, read `message`, find evidence in `cause`.
 *
 * Each entry exports its own closed union of codes and an `isSallyportError()` that narrows to it; `docs/errors.md` has an anchor for every
 * code. Messages may be
 * read by anyone: they name the option, the claim or the parameter, never a token, a key or a cookie.
 */
export class SallyportError<Code extends string = string> extends Error {
  declare readonly code: Code
  declare readonly retryable: boolean
  /**
   * With `popup_blocked` of a step-up (`auth.fetch(…, { stepUp: 'popup' })`): to be called from a click, opens the popup and
   * resolves to the API's answer. The request is sent once more in all, however often it is called.
   */
  declare readonly retry?: () => Promise<Response>

  constructor(code: Code, message: string, options: SallyportErrorOptions = {}) {
    super(message, options)
    this.name = 'SallyportError'
    this.code = code
    this.retryable = !!options.retryable
  }

  /** What may leave the process: no stack and no cause. */
  toJSON(): { name: string; code: Code; message: string; retryable: boolean } {
    return { ...this, message: this.message }
  }
}

/** The class with the codes of one entry of the package: `instanceof` then knows them, too. */
export interface SallyportErrorClass<Codes extends string> {
  new <Code extends Codes>(code: Code, message: string, options?: SallyportErrorOptions): SallyportError<Code>
  readonly prototype: SallyportError<Codes>
}

/** Makes the `isSallyportError` of an entry: whether an error is one of ours, with a code of these tables. */
export const errorTest =
  <Codes extends string>(...tables: readonly Readonly<Partial<Record<Codes, unknown>>>[]) =>
  (error: unknown): error is SallyportError<Codes> =>
    error instanceof SallyportError && tables.some((table) => Object.hasOwn(table, error.code))

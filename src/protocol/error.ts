/** What a {@link SallyportError} may carry besides its code and message. */
export interface SallyportErrorOptions {
  /** Whether the same call may succeed later without any change. Default `false`. */
  retryable?: boolean
  /** The cause: another error, or a server's error (`error`, `error_description`, `status`). Never a secret. */
  cause?: unknown
}

/**
 * The one error class of sallyport. Branch on `code`, read `message`, look for the cause in `cause`.
 *
 * Each entry point exports its own closed union of codes and an `isSallyportError()` that narrows to it.
 * `docs/errors.md` has an anchor for every code. Anybody may read messages: they name the option, the claim or the
 * parameter, never a token, a key or a cookie.
 */
export class SallyportError<Code extends string = string> extends Error {
  declare readonly code: Code
  declare readonly retryable: boolean
  /**
   * With `popup_blocked` of a step-up (`auth.fetch(…, { stepUp: 'popup' })`): call it from a click handler. It opens
   * the popup and resolves to the API's response. The request is sent only once more, however often this is called.
   */
  declare readonly retry?: () => Promise<Response>

  constructor(code: Code, message: string, options: SallyportErrorOptions = {}) {
    super(message, options)
    this.name = 'SallyportError'
    this.code = code
    this.retryable = !!options.retryable
  }

  /** What may be logged or sent elsewhere: no stack and no cause. */
  toJSON(): { name: string; code: Code; message: string; retryable: boolean } {
    return { ...this, message: this.message }
  }
}

/** The class with the codes of one entry point of the package, so that `instanceof` narrows `code`, too. */
export interface SallyportErrorClass<Codes extends string> {
  new <Code extends Codes>(code: Code, message: string, options?: SallyportErrorOptions): SallyportError<Code>
  readonly prototype: SallyportError<Codes>
}

/** Makes the function that makes the errors of a table, code → message. `retryable`: the same call may succeed later. */
export const errorMaker =
  <Codes extends string>(messages: Readonly<Record<Codes, string>>, retryable: readonly Codes[] = []) =>
  (code: Codes, cause?: unknown): SallyportError<Codes> =>
    new SallyportError(code, messages[code], {
      retryable: retryable.includes(code),
      ...(cause !== undefined && { cause }),
    })

/** Makes the `isSallyportError` of an entry point: whether an error is a SallyportError with a code of these tables. */
export const errorTest =
  <Codes extends string>(...tables: readonly Readonly<Partial<Record<Codes, unknown>>>[]) =>
  (error: unknown): error is SallyportError<Codes> =>
    error instanceof SallyportError && tables.some((table) => Object.hasOwn(table, error.code))

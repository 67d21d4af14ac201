declare const process: { env: { NODE_ENV?: string } }

/**
 * Throws if `NODE_ENV` is `production`: the mock provider signs in anybody that a test names. Each entry point calls it
 * when it is loaded, and its factories call it again, so that no bundler removes the check as dead code.
 *
 * The only environment variable that sallyport reads; none switches a check off.
 *
 * @throws Error
 */
export function refuseProduction(): void {
  if (isProduction())
    throw new Error(
      'sallyport/testing is for tests and refuses to load with NODE_ENV=production. Import it from test files only.',
    )
}

function isProduction(): boolean {
  try {
    // Exactly these characters: bundlers for the browser replace them, because there is no `process`.
    return process.env.NODE_ENV === 'production'
  } catch {
    return false
  }
}

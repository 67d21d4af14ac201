declare const process: { env: { NODE_ENV?: string } }

/**
 * Throws where `NODE_ENV` is `production`: the kit's provider signs in whomever a test names. Each entry calls it when it is
 * loaded, and what is made by an entry calls it again, so that no bundler can take a refusal for dead code.
 *
 * The only environment variable that anything of sallyport reads; there is none that switches a check off.
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
    // Character for character: this is what bundlers for the browser replace, where there is no `process`.
    return process.env.NODE_ENV === 'production'
  } catch {
    return false
  }
}

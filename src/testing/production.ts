/**
 * Importing the kit where `NODE_ENV` is `production` is a mistake, and a loud one: its provider signs in whomever a test
 * names. The only environment variable that anything of sallyport reads; there is none that switches a check off.
 */
const { process } = globalThis as { process?: { env?: { NODE_ENV?: string } } }

if (process?.env?.NODE_ENV === 'production')
  throw new Error(
    'sallyport/testing is for tests and refuses to load with NODE_ENV=production. Import it from test files only.',
  )

export {}

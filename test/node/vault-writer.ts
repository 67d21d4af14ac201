import { fileVault } from 'sallyport/node'

/** Writes two secrets in turns, until it is killed. */
const [, , directory = '', ...secrets] = process.argv
const keys = process.env['VAULT_KEY'] === undefined ? undefined : [process.env['VAULT_KEY']]
const vault = fileVault({ directory, ...(keys && { keys }) })
process.send?.('ready')
for (;;) for (const secret of secrets) await vault.write('vendor', secret)

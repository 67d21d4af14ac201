// The libraries that are measured beside ours: installed for the measurement, no dependency of the project.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const versions = {
  '@auth0/auth0-spa-js': '2.28.3',
  'oidc-client-ts': '3.5.0',
  '@azure/msal-browser': '5.30.0',
  'keycloak-js': '26.2.4',
  '@axa-fr/oidc-client': '7.29.1',
  '@workos-inc/authkit-js': '0.20.3',
  'oidc-spa': '10.2.11',
}

/** The folder with their `node_modules`. */
export function ensurePeers() {
  const folder = resolve('node_modules/.cache/sallyport-peers')
  const there = ([name, version]) => {
    const file = join(folder, 'node_modules', name, 'package.json')
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version
  }
  if (Object.entries(versions).every(there)) return folder
  mkdirSync(folder, { recursive: true })
  const wanted = Object.entries(versions).map((pair) => pair.join('@'))
  const how = ['--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--no-package-lock']
  execFileSync('npm', ['install', ...how, ...wanted], { stdio: ['ignore', 'ignore', 'inherit'] })
  return folder
}

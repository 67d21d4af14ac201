import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Outside of the project's own dependencies: half a gigabyte that nobody needs to read a note. */
const folder = resolve('node_modules/.cache/sallyport-runtimes')
const { platform, arch } = process
const arm = arch === 'arm64'

/** The packages that hold the programs themselves: nothing has to run to install them. */
const packages = {
  bun: [`@oven/bun-${platform}-${arm ? 'aarch64' : 'x64'}`, '1.4.5', 'bin/bun'],
  deno: [`@deno/${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}`, '2.9.6', 'deno'],
  workerd: [`@cloudflare/workerd-${platform}-${arm ? 'arm64' : '64'}`, '1.20261117.1', 'bin/workerd'],
  node24: [`node-${platform}-${arch}`, '24.9.0', 'bin/node'],
} as const

export type Program = keyof typeof packages

const pathOf = (program: Program) => join(folder, 'node_modules', packages[program][0], packages[program][2])

/** Installs what is missing, and answers where each program is. */
export function ensureRuntimes(): Record<Program, string> {
  const programs = Object.keys(packages) as Program[]
  const paths = Object.fromEntries(programs.map((program) => [program, pathOf(program)])) as Record<Program, string>
  if (programs.every((program) => existsSync(paths[program]))) return paths
  mkdirSync(folder, { recursive: true })
  const wanted = programs.map((program) => `${packages[program][0]}@${packages[program][1]}`)
  const how = [
    'install',
    '--prefix',
    folder,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-save',
    '--no-package-lock',
  ]
  try {
    execFileSync('npm', [...how, ...wanted], { stdio: ['ignore', 'ignore', 'inherit'] })
  } catch (cause) {
    throw new Error(`The runtimes could not be installed (${wanted.join(', ')}). Is the package registry in reach?`, {
      cause,
    })
  }
  return paths
}

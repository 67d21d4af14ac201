import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Engine, Tab } from '../engines/engine.js'
import { ensure, ensureProgram, freePort } from '../services/programs.js'

/** Debian keeps it beside the library: not on the PATH. */
function findMiniBrowser(): string | undefined {
  const libraries = '/usr/lib'
  if (!existsSync(libraries)) return undefined
  return readdirSync(libraries)
    .filter((name) => name.includes('-linux-'))
    .flatMap((name) => {
      const folder = join(libraries, name)
      const versions = readdirSync(folder).filter((entry) => /^webkit2?gtk-/.test(entry))
      return versions.map((version) => join(folder, version, 'MiniBrowser'))
    })
    .find(existsSync)
}

/** The first line that a program says on a stream. */
const firstLine = ({ stdout }: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = ''
    stdout?.on('data', (chunk) => {
      said += chunk
      if (said.includes('\n')) resolve(said.trim())
    })
    stdout?.on('end', () => reject(new Error(`no line: ${said}`)))
  })

/**
 * WebKitGTK, driven by W3C WebDriver over `fetch`, before a display of its own. Not Safari: the same engine with another
 * network library, so its cookie rules are its own.
 *
 * @see W3C WebDriver sections 8, 10 to 13
 */
export async function launchWebKit(): Promise<Engine> {
  const driver = ensureProgram('WebKitWebDriver')
  const remedy =
    'These tests need MiniBrowser of WebKitGTK. Install it (Debian, Ubuntu: sudo apt-get install webkit2gtk-driver).'
  const binary = ensure(findMiniBrowser, 'webkit2gtk-driver', remedy)
  const display = spawn(
    ensureProgram('Xvfb'),
    ['-displayfd', '1', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  const screen = await firstLine(display)
  const port = await freePort()
  const service = spawn(driver, [`--port=${port}`, '--host=127.0.0.1'], {
    stdio: 'ignore',
    env: { ...process.env, DISPLAY: `:${screen}` },
  })
  const base = `http://127.0.0.1:${port}`

  async function call<Value>(method: string, path: string, body?: object): Promise<Value> {
    const response = await fetch(base + path, {
      method,
      headers: { 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    const { value } = (await response.json()) as { value: Value & { error?: string; message?: string } }
    if (!response.ok) throw new Error(`${value.error}: ${value.message}`)
    return value
  }

  for (let tries = 0; ; tries++) {
    try {
      await call('GET', '/status')
      break
    } catch (error) {
      if (tries > 100) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  let session: string | undefined
  let first: string | undefined
  const end = async () => {
    if (session !== undefined) await call('DELETE', `/session/${session}`).catch(() => {})
    session = undefined
  }

  function tabOf(handle: string): Tab {
    const at = `/session/${session}`
    const there = async <Value>(method: string, path: string, body?: object): Promise<Value> => {
      await call('POST', `${at}/window`, { handle })
      return call<Value>(method, at + path, body)
    }
    return {
      go: (url) => there('POST', '/url', { url }),
      async run<Value>(body: string) {
        const script = `const done = arguments[arguments.length - 1]
          ;(async () => { ${body} })().then((value) => done({ value }), (error) => done({ error: String(error) }))`
        const said = await there<{ value: Value; error?: string }>('POST', '/execute/async', { script, args: [] })
        if (said.error !== undefined) throw new Error(said.error)
        return said.value
      },
      async click(value) {
        const element = await there<Record<string, string>>('POST', '/element', { using: 'css selector', value })
        await there('POST', `/element/${Object.values(element)[0]}/click`, {})
      },
      close: () => there('DELETE', '/window'),
    }
  }

  return {
    name: 'WebKit',
    async fresh() {
      await end()
      const alwaysMatch = { 'webkitgtk:browserOptions': { binary, args: ['--automation'] } }
      const { sessionId } = await call<{ sessionId: string }>('POST', '/session', { capabilities: { alwaysMatch } })
      session = sessionId
      first = await call<string>('GET', `/session/${session}/window`)
      return tabOf(first)
    },
    async popup() {
      for (let tries = 0; tries < 200; tries++) {
        const handles = await call<string[]>('GET', `/session/${session}/window/handles`)
        const opened = handles.find((handle) => handle !== first)
        if (opened !== undefined) return tabOf(opened)
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      throw new Error('no window was opened')
    },
    windows: async () => (await call<string[]>('GET', `/session/${session}/window/handles`)).length,
    async close() {
      await end()
      service.kill()
      display.kill()
    },
  }
}

// Server processes for measurements, and load on them.
import { fork, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Starts a backend in a process of its own. `profile` is a folder for its CPU profile. */
export async function startBackend(kind, { sessions = 1000, redisPort = 0, apiPort = 0, profile } = {}) {
  const execArgv = ['--expose-gc', ...(profile ? ['--cpu-prof', '--cpu-prof-dir', profile] : [])]
  const child = fork(new URL('backend.js', import.meta.url), [kind, sessions, redisPort, apiPort], { execArgv })
  const heard = () =>
    new Promise((resolve, reject) => {
      const ended = (code) => reject(new Error(`the ${kind} backend ended with ${code}`))
      child.once('exit', ended)
      child.once('message', (message) => {
        child.off('exit', ended)
        resolve(message)
      })
    })
  const { port, cookies } = await heard()
  return {
    port,
    cookies,
    async usage() {
      child.send('usage')
      const { cpu, memory } = await heard()
      return { cpu: cpu.user + cpu.system, memory }
    },
    stop: () => child.disconnect(),
  }
}

/** A Redis on a free loopback port that keeps nothing. */
export async function startRedis() {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
  const port = await freePort()
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder]
  const child = spawn('redis-server', args, { stdio: 'ignore' })
  await new Promise((resolve, reject) => {
    child.once('error', () =>
      reject(new Error('redis-server is needed on the PATH (Debian: apt-get install redis-server)')),
    )
    setTimeout(resolve, 500)
  })
  return {
    port,
    stop() {
      child.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

/**
 * Sends so many requests over so many connections, one at a time on each; resolves to the time each took, in milliseconds,
 * sorted. By hand over sockets, so that it is the server that has too much to do: a client that is busier than the server
 * makes its writes look cheap.
 */
export async function load({ port, cookies }, { method, path = '/bff/session', requests, connections = 16 }) {
  const messages = cookies.map((cookie) => Buffer.from(message(method, path, cookie), 'latin1'))
  const times = []
  let next = 0
  const connection = () =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1').setNoDelay()
      let begun = 0
      let missing = 0
      const ask = () => {
        const at = next++
        if (at >= requests) return socket.end(resolve)
        begun = performance.now()
        return socket.write(messages[at % messages.length])
      }
      socket.on('connect', ask).on('error', reject)
      socket.on('data', (data) => {
        missing = missing > 0 ? missing - data.length : lengthOf(data) - data.length
        if (Number.isNaN(missing)) return reject(new Error(data.toString('latin1', 0, 200)))
        if (missing > 0) return undefined
        times.push(performance.now() - begun)
        return ask()
      })
    })
  let done = false
  const spin = () => done || setImmediate(spin)
  spin()
  await Promise.all(Array.from({ length: connections }, connection))
  done = true
  return times.sort((a, b) => a - b)
}

/** Bytes of a 200 answer whose head is all there; NaN for any other. */
function lengthOf(data) {
  const head = data.indexOf('\r\n\r\n')
  const [, length] = /^HTTP\/1.1 200 .*\r\nContent-Length: (\d+)/is.exec(data.toString('latin1', 0, head)) ?? []
  return head + 4 + Number(length)
}

/** A request as a browser sends it. */
const message = (method, path, cookie) =>
  [
    `${method} ${path} HTTP/1.1`,
    'Host: app.example.com',
    ...(method === 'POST' ? ['Content-Length: 0', 'Origin: https://app.example.com'] : []),
    'Sallyport-CSRF: 1',
    'Accept: */*',
    'Accept-Encoding: gzip, deflate, br',
    'Accept-Language: en-GB,en;q=0.9',
    'Referer: https://app.example.com/notes',
    'Sec-Fetch-Dest: empty',
    'Sec-Fetch-Mode: cors',
    'Sec-Fetch-Site: same-origin',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    `Cookie: ${cookie}`,
    '\r\n',
  ].join('\r\n')

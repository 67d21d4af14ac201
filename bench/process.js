// Server processes for measurements, and load on them.
import { fork, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Starts a backend in a process of its own. `profile` is a folder for its CPU profile. */
export async function startBackend(kind, { sessions = 1000, redisPort, profile } = {}) {
  const execArgv = ['--expose-gc', ...(profile ? ['--cpu-prof', '--cpu-prof-dir', profile] : [])]
  const child = fork(new URL('backend.js', import.meta.url), [kind, sessions, redisPort], { execArgv })
  const heard = () =>
    new Promise((resolve, reject) => {
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`the ${kind} backend ended with ${code}`)))
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

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

/** Sends so many requests over so many connections; resolves to the time each took, in milliseconds, sorted. */
export async function load({ port, cookies }, { method, path = '/bff/session', requests, connections = 16 }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const times = []
  let next = 0
  const one = (at) =>
    new Promise((resolve, reject) => {
      const headers = { Cookie: cookies[at % cookies.length], 'Sallyport-CSRF': '1', ...browser }
      const begun = performance.now()
      request({ port, host: '127.0.0.1', path, method, headers, agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`${response.statusCode}`))
        response.resume().on('end', () => {
          times.push(performance.now() - begun)
          resolve()
        })
      })
        .on('error', reject)
        .end()
    })
  const worker = async () => {
    for (let at = next++; at < requests; at = next++) await one(at)
  }
  await Promise.all(Array.from({ length: connections }, worker))
  agent.destroy()
  return times.sort((a, b) => a - b)
}

/** What a browser sends beside. */
const browser = {
  Accept: '*/*',
  'Accept-Encoding': 'gzip, deflate, br',
  'Accept-Language': 'en-GB,en;q=0.9',
  Referer: 'https://app.example.com/notes',
  'Sec-Fetch-Dest': 'empty',
  'Sec-Fetch-Mode': 'cors',
  'Sec-Fetch-Site': 'same-origin',
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
}

import { execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import { ensureProgram, freePort } from './programs.js'
import { createTestServer, freshFolder, type TestServer } from './server.js'

const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--repl-diskless-sync-delay', '0']

const redis = (port: number, more: string[] = []): TestServer => {
  const folder = freshFolder('redis')
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--daemonize', 'no', ...more]
  return createTestServer('redis-server', port, folder, { program: ensureProgram('redis-server'), args }, () =>
    answers(port),
  )
}

/** One Redis whose every write is on disk before it is answered. */
export async function startRedis(more: string[] = []): Promise<TestServer> {
  const server = redis(await freePort(), [...durable, ...more])
  await server.start()
  return server
}

/** A Redis Cluster of three nodes, each with a third of the slots. */
export async function startRedisCluster(): Promise<{ ports: number[]; remove(): Promise<void> }> {
  const cli = ensureProgram('redis-cli')
  const nodes: TestServer[] = []
  const remove = async () => {
    await Promise.all(nodes.map((node) => node.remove()))
  }
  try {
    // The nodes talk to each other on their port plus 10,000.
    for (let at = 0; at < 3; at++)
      nodes.push(redis(await freePort(55_000), ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000']))
    await Promise.all(nodes.map((node) => node.start()))
    const ports = nodes.map(({ port }) => port)
    const addresses = ports.map((port) => `127.0.0.1:${port}`)
    execFileSync(cli, ['--cluster', 'create', ...addresses, '--cluster-replicas', '0', '--cluster-yes'], {
      stdio: 'pipe',
    })
    // Each node learns from the others that all slots are taken.
    for (const port of ports)
      for (
        let tries = 0;
        !/cluster_state:ok/.test(`${execFileSync(cli, ['-p', `${port}`, 'cluster', 'info'])}`);
        tries++
      ) {
        if (tries > 100) throw new Error('the cluster did not form')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    return { ports, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/** Redis says `LOADING` while it reads what it had written. */
const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const done = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('data', (reply) => done(`${reply}`.startsWith('+PONG')))
    socket.once('error', () => done(false))
    socket.once('close', () => done(false))
  })

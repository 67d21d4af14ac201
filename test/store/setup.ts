import type { TestProject } from 'vitest/node'
import { startPostgres } from '../services/postgres.js'
import { startRedis, startRedisCluster } from '../services/redis.js'

declare module 'vitest' {
  interface ProvidedContext {
    redis: number
    cluster: number[]
    postgres: number
  }
}

/** Before the store tests: real servers, or a failure that says what to do. Never a skip. */
export default async function setup(project: TestProject) {
  const [redis, cluster, postgres] = await Promise.all([startRedis(), startRedisCluster(), startPostgres()])
  project.provide('redis', redis.port)
  project.provide('cluster', cluster.ports)
  project.provide('postgres', postgres.port)
  return () => Promise.all([redis.remove(), cluster.remove(), postgres.remove()])
}

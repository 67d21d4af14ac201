import { builtinEnvironments, type Environment } from 'vitest/runtime'

/** What happy-dom has as well, and what the tests want as the platform has it: requests, bodies, streams, signals. */
const platform = [
  'fetch',
  'Request',
  'Response',
  'Headers',
  'FormData',
  'Blob',
  'File',
  'AbortController',
  'AbortSignal',
  'ReadableStream',
  'WritableStream',
  'TransformStream',
  'TextEncoder',
  'TextDecoder',
  'URL',
  'URLSearchParams',
  'performance',
  'crypto',
  'BroadcastChannel',
] as const

/** happy-dom's document, location, history and storage; everything of the network is Node's own. */
export default {
  name: 'page',
  viteEnvironment: 'client',
  async setup(global, options) {
    const own = platform.map((name) => [name, Object.getOwnPropertyDescriptor(global, name)] as const)
    const dom = await builtinEnvironments['happy-dom'].setup(global, {
      ...options,
      happyDOM: { url: 'https://app.example.com/' },
    })
    for (const [name, descriptor] of own) if (descriptor) Object.defineProperty(global, name, descriptor)
    return dom
  },
} satisfies Environment

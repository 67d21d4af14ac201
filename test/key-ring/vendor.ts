import type { KeyProvider } from 'sallyport/key-ring'
import { randomKey } from '../keys.js'

const ADDRESS = 'https://vendor.example.com'

export interface VendorKey {
  id: string
  name: string
  secret: string
  live: boolean
  /** Calls made with it that were let in. */
  uses: number
}

/** A vendor of language models: makes keys, lists and ends them, and answers whoever has one. */
export function createVendor() {
  const keys: VendorKey[] = []
  const trouble = {
    /** New keys do not work. */
    slow: false,
    /** Ended keys work on. */
    lagging: false,
  }
  /** Hears of every key before it is ended. */
  let onRevoke: (key: VendorKey) => void = () => {}

  async function fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    const bearer = request.headers.get('authorization')?.replace('Bearer ', '')
    if (pathname === '/chat') {
      const key = keys.find(({ secret }) => secret === bearer)
      if (!key?.live || trouble.slow) return Response.json({ error: `${bearer} cannot be used` }, { status: 401 })
      key.uses++
      return Response.json({ key: key.id })
    }
    if (request.method === 'POST') {
      const { name } = (await request.json()) as { name: string }
      const key = { id: `key_${keys.length}`, name, secret: `vk-${randomKey()}`, live: true, uses: 0 }
      keys.push(key)
      return Response.json(key)
    }
    if (request.method === 'DELETE') {
      const key = keys.find(({ id }) => pathname === `/keys/${id}`)
      if (key) onRevoke(key)
      if (key && !trouble.lagging) key.live = false
      return new Response(null, { status: key ? 204 : 404 })
    }
    return Response.json(keys.filter(({ live }) => live).map(({ id, name }) => ({ id, name })))
  }

  return {
    keys,
    trouble,
    fetch,
    live: () => keys.filter(({ live }) => live),
    onRevoke: (listener: typeof onRevoke) => {
      onRevoke = listener
    },
  }
}

export type Vendor = ReturnType<typeof createVendor>

/** A call as an app makes it. */
export const chat = (fetch: (request: Request) => Promise<Response>, secret: string, address = ADDRESS) =>
  fetch(new Request(`${address}/chat`, { headers: { Authorization: `Bearer ${secret}` } }))

/** What an app writes to rotate keys of that vendor. */
export function providerOf(fetch: (request: Request) => Promise<Response>, address = ADDRESS): Required<KeyProvider> {
  const ask = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(
      new Request(`${address}${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body) }) }),
    )
    if (!response.ok && response.status !== 404) throw new Error(`the vendor said ${response.status}`)
    return response
  }
  return {
    create: async ({ name }) => (await ask('POST', '/keys', { name })).json(),
    async test(secret) {
      const { status } = await chat(fetch, secret, address)
      if (status !== 200 && status !== 401) throw new Error(`the vendor said ${status}`)
      return status === 200
    },
    async revoke({ id }) {
      await ask('DELETE', `/keys/${id}`)
    },
    list: async () => (await ask('GET', '/keys')).json(),
  }
}

// mcp-server.js
import * as mcp from '@modelcontextprotocol/server'
import { agentToken, createStatusCheck } from 'sallyport/agents'
import { accessToken, createGuard, type Principal } from 'sallyport/guard'
import { memoryStore } from 'sallyport/store'

const resource = process.env['MCP_URL'] ?? 'https://mcp.example.com/mcp' // exactly as clients write it
const people = process.env['ISSUER'] ?? 'https://login.example.com'
const agents = process.env['AGENTS_ISSUER'] ?? 'https://app.example.com/agents'
export const store = memoryStore() // redisStore(…) or postgresStore(…): the store of the agents

const protect = createGuard({
  resource,
  accept: [
    accessToken({ issuer: people }),
    agentToken(createStatusCheck({ issuer: agents, store }), accessToken({ issuer: agents })),
  ],
  implies: { 'notes:write': ['notes:read'] },
  metadata: { resource_name: 'Notes', scopes_supported: ['notes:read'] },
})

interface Tool {
  description: string
  scopes: string[] // in addition to notes:read, which every request needs
  inputSchema: ReturnType<typeof mcp.fromJsonSchema>
  run(args: Record<string, string>, caller: Principal): unknown
}
const notes: { sub: string; text: string }[] = []
const tools = new Map<unknown, Tool>()
tools.set('list_notes', {
  description: 'Lists your notes',
  scopes: [],
  inputSchema: mcp.fromJsonSchema({ type: 'object' }),
  run: (_args, caller) => notes.filter(({ sub }) => sub === caller.sub),
})
tools.set('publish_note', {
  description: 'Writes a note that all users can read',
  scopes: ['notes:write', 'notes:publish'],
  inputSchema: mcp.fromJsonSchema({ type: 'object', properties: { text: { type: 'string' } }, required: ['text'] }),
  run: ({ text = '' }, { sub }) => notes.push({ sub, text }),
})

const handler = mcp.createMcpHandler(({ authInfo }) => {
  const caller = authInfo?.extra?.['principal'] as Principal
  const server = new mcp.McpServer({ name: 'notes', version: '1.0.0' })
  for (const [name, { description, inputSchema, run }] of tools)
    server.registerTool(`${name}`, { description, inputSchema }, async (args) => ({
      content: [{ type: 'text', text: JSON.stringify(await run(args as Record<string, string>, caller)) }],
    }))
  return server
})

/** Read once, so that guard and handler see the same body. The handler refuses invalid JSON. */
async function bodyOf(request: Request): Promise<unknown> {
  const body = await mcp.readRequestBody(request) // 4 MiB at most
  try {
    return body.tooLarge ? undefined : JSON.parse(body.text)
  } catch {
    return undefined
  }
}

/** All scopes, so that one challenge names them: clients of 2025 may send several calls in one body. */
function scopesOf(body: unknown): string[] {
  const messages = [body].flat() as ({ method?: unknown; params?: { name?: unknown } } | null)[]
  const calls = messages.filter((message) => message?.method === 'tools/call')
  return ['notes:read', ...new Set(calls.flatMap((call) => tools.get(call?.params?.name)?.scopes ?? []))]
}

export async function fetch(request: Request): Promise<Response> {
  const answer = protect.metadata(request) ?? mcp.originValidationResponse(request, [new URL(resource).hostname])
  if (answer) return answer
  const parsedBody = request.method === 'POST' ? await bodyOf(request) : undefined
  const outcome = await protect(request, { scopes: scopesOf(parsedBody) })
  if (!outcome.ok) return outcome.response

  const { sub, client_id = sub, scopes } = outcome.principal
  const authInfo = { token: '', clientId: client_id, scopes: [...scopes], extra: { principal: outcome.principal } }
  const { url, method, signal } = request
  const headers = new Headers(request.headers)
  headers.delete('authorization') // tools can read the request, but not the token
  return handler.fetch(new Request(url, { method, headers, signal }), { parsedBody, authInfo })
}

import { context, type Span, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { openTelemetry } from 'sallyport/bff/opentelemetry'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APP, call, signIn, world } from '../world.js'

const spans = new InMemorySpanExporter()
const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }).getTracer('test')

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})
afterAll(() => {
  context.disable()
})

/** The real SDK: what it would export. */
function collector() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const meterProvider = new MeterProvider({ readers: [reader] })
  return {
    onEvent: openTelemetry({ meterProvider }),
    async counted() {
      await reader.forceFlush()
      const metrics = exporter.getMetrics().at(-1)?.scopeMetrics[0]?.metrics ?? []
      await meterProvider.shutdown()
      return metrics.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => [descriptor.name, attributes, value]),
      )
    },
  }
}

/** One request of a server, as its instrumentation sees it. */
const inSpan = <Result>(work: () => Promise<Result>) =>
  tracer.startActiveSpan('request', async (span: Span) => {
    try {
      return await work()
    } finally {
      span.end()
    }
  })

describe('openTelemetry()', () => {
  it('counts what happens by type, and puts it into the span of the request', async () => {
    spans.reset()
    const { onEvent, counted } = collector()
    const here = await world({ onEvent, rateLimits: false })
    await inSpan(() => signIn(here.tab))
    await inSpan(() => here.bff.fetch(new Request(`${APP}/bff/session`, { method: 'POST' })))
    await inSpan(() => call(here.tab, '/logout'))
    const rows = await counted()
    expect(rows).toContainEqual(['sallyport.events', { type: 'signed_in' }, 1])
    expect(rows).toContainEqual(['sallyport.events', { type: 'request_refused', error: 'csrf_required' }, 1])
    expect(rows).toContainEqual(['sallyport.events', { type: 'signed_out', reason: 'logged_out' }, 1])
    const events = spans.getFinishedSpans().map((span) => span.events.map(({ name }) => name))
    expect(events).toEqual([['sallyport.signed_in'], ['sallyport.request_refused'], ['sallyport.signed_out']])
    const [first] = spans.getFinishedSpans()
    expect(first?.events[0]?.attributes).toEqual({ session: expect.stringMatching(/^[\w-]{8}$/) })
  })

  it('says nobody’s name, and makes no series of what a stranger invents', async () => {
    spans.reset()
    const { onEvent, counted } = collector()
    const here = await world({ onEvent, mode: 'proxy' })
    for (const error of ['access_denied', 'made_up_one', 'made_up_two']) {
      here.as.deny({ error })
      expect((await inSpan(() => here.tab.navigate(`${APP}/bff/login`))).response.status).toBe(400)
    }
    const rows = (await counted()) as [string, Record<string, unknown>, number][]
    const refused = rows.filter(([, { type }]) => type === 'sign_in_refused')
    expect(refused.map(([, { error }, value]) => [error, value])).toEqual([
      ['access_denied', 1],
      ['other', 2],
    ])
    expect(JSON.stringify([rows, spans.getFinishedSpans().map(({ events }) => events)])).not.toMatch(/alice|made_up/i)
  })

  it('costs nothing where no SDK is installed', () => {
    trace.disable()
    expect(() => openTelemetry()({ type: 'userinfo_failed', detail: '' })).not.toThrow()
  })
})

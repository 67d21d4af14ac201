import { type Attributes, type Counter, type MeterProvider, metrics, trace } from '@opentelemetry/api'
import { object, optional, withMethods } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import type { BffEvent } from './events.js'

export interface OpenTelemetryOptions {
  /** Default: the global one, at the first event. */
  meterProvider?: Pick<MeterProvider, 'getMeter'>
}

const openTelemetryOptions = object<OpenTelemetryOptions>({
  meterProvider: optional(withMethods<Pick<MeterProvider, 'getMeter'>>('a MeterProvider', 'getMeter')),
})

/** Members with few values. A user, session or path would each make a time series. */
const attributeNames = ['error', 'outcome', 'reason', 'channel', 'route', 'claim', 'status'] as const

/** Registered error codes; any other code is counted as `other`. @see RFC 6749 section 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.6 */
const providerErrors =
  'access_denied unauthorized_client invalid_request invalid_scope invalid_target unsupported_response_type server_error temporarily_unavailable interaction_required login_required account_selection_required consent_required invalid_grant invalid_client unmet_authentication_requirements'.split(
    ' ',
  )

/**
 * A listener for `createBff({ onEvent: openTelemetry() })`. It counts each event in `sallyport.events`, with its `type` and other
 * members of few values as attributes, and adds it to the active span, with the short id of the session.
 *
 * Neither contains a `sub`. Spans of requests come from the instrumentation of your server and of undici.
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): (event: BffEvent) => void {
  validate('openTelemetry', openTelemetryOptions, options)
  const { meterProvider = metrics } = options
  let counter: Counter | undefined
  return (event) => {
    counter ??= meterProvider
      .getMeter('sallyport')
      .createCounter('sallyport.events', { description: 'What the backend has done and refused', unit: '{event}' })
    const attributes = attributesOf(event)
    counter.add(1, { type: event.type, ...attributes })
    trace.getActiveSpan()?.addEvent(`sallyport.${event.type}`, {
      ...attributes,
      ...('session' in event && { session: event.session }),
    })
  }
}

function attributesOf(event: BffEvent): Attributes {
  const attributes: Attributes = {}
  for (const name of attributeNames) {
    const value = (event as unknown as Attributes)[name]
    if (value !== undefined) attributes[name] = value
  }
  const { error } = attributes
  if (error !== undefined && event.type !== 'request_refused' && !providerErrors.includes(`${error}`))
    attributes['error'] = 'other'
  return attributes
}

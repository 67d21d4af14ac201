/**
 * What is handed out more than once: one request's handler must not write what the next one reads. Plain data; what is frozen
 * already is so all the way down.
 */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}

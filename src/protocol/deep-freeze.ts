/**
 * Freezes plain data that several requests share: the handler of one request must not change what the next one reads. A value
 * that is frozen already was frozen here, with all its members.
 */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}

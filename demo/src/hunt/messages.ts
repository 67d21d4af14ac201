import { type Collect, collectDeep } from './places.js'

/**
 * Listens to messages between tabs and frames while `work` runs: to messages that arrive here and, as a script in the page
 * can, to messages that are sent from here, on every channel.
 */
export async function listenDuring(work: () => Promise<void>, collect: Collect): Promise<void> {
  const hear = (event: Event) => {
    const { data, key, newValue } = event as Event & { data?: unknown; key?: unknown; newValue?: unknown }
    for (const part of [data, key, newValue]) collectDeep(part, collect)
  }
  const restore = [BroadcastChannel.prototype, MessagePort.prototype, Worker.prototype].map((owner) =>
    overhear(owner as { postMessage(...parts: unknown[]): void }, collect),
  )
  restore.push(overhear(window as { postMessage(...parts: unknown[]): void }, collect))
  for (const type of ['message', 'storage']) addEventListener(type, hear)
  try {
    await work()
    // Responses of other tabs arrive a little later.
    await new Promise((resolve) => setTimeout(resolve, 300))
  } finally {
    for (const type of ['message', 'storage']) removeEventListener(type, hear)
    for (const undo of restore) undo()
  }
}

function overhear(owner: { postMessage(...parts: unknown[]): void }, collect: Collect): () => void {
  const { postMessage } = owner
  owner.postMessage = function (this: unknown, ...parts: unknown[]) {
    collectDeep(parts, collect)
    return postMessage.apply(this, parts)
  }
  return () => {
    owner.postMessage = postMessage
  }
}

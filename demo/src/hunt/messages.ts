import { type Collect, collectDeep } from './places.js'

/**
 * Listens to what tabs and frames tell each other while `work` runs: to what arrives here, and, as a script in the page
 * can, to what is sent from here, whatever the channel is called.
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
    // What other tabs answer arrives a little later.
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

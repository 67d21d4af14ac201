/** The body of a request; `undefined` for one above the limit, of which no more is read. */
export async function readBody(request: Request, limit: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const pieces: Uint8Array[] = []
  let length = 0
  const reader = request.body?.getReader()
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done) break
    length += value.length
    if (length > limit) {
      // A clone's cancellation waits for the other half, which somebody may still want to read.
      reader?.cancel().catch(() => {})
      return undefined
    }
    pieces.push(value)
  }
  const body = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    body.set(piece, at)
    at += piece.length
  }
  return body
}

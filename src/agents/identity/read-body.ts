/** The body of a request; `undefined` if it is above the limit: the rest is not read. */
export async function readBody(request: Request, limit: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let length = 0
  const reader = request.body?.getReader()
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done) return new Uint8Array(await new Blob(chunks).arrayBuffer())
    length += value.length
    if (length > limit) {
      // Not awaited: cancelling a clone waits for the other branch, which may still be read.
      reader?.cancel().catch(() => {})
      return undefined
    }
    chunks.push(value)
  }
}

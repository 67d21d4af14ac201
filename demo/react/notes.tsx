import { type FormEvent, useCallback, useEffect, useState } from 'react'
import { useAuth } from 'sallyport/react'

interface Note {
  id: string
  text: string
}

/** `RequireAuth` mounts this only for signed-in users. */
export function Notes() {
  const { fetch } = useAuth()
  const [notes, setNotes] = useState<readonly Note[]>()
  const [failed, setFailed] = useState(false)

  const call = useCallback(
    async (init?: RequestInit) => {
      const response = await fetch('/api/notes', init)
      if (!response.ok) throw new Error(`The notes API responded with ${response.status}`)
      return response.json()
    },
    [fetch],
  )

  useEffect(() => {
    call().then(setNotes, () => setFailed(true))
  }, [call])

  async function add(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = event.currentTarget
    const text = new FormData(form).get('note')
    const headers = { 'Content-Type': 'application/json' }
    try {
      const note: Note = await call({ method: 'POST', headers, body: JSON.stringify({ text }) })
      setNotes((before = []) => [note, ...before])
      form.reset()
    } catch {
      setFailed(true)
    }
  }

  return (
    <section className="card" aria-labelledby="title">
      <h1 id="title">Your notes</h1>
      {failed && (
        <p role="alert" className="notice">
          That did not work. Please try again in a moment.
        </p>
      )}
      <form className="add" onSubmit={add}>
        <label htmlFor="note">New note</label>
        <div className="row">
          <input id="note" name="note" maxLength={500} autoComplete="off" required />
          <button type="submit" className="primary">
            Add note
          </button>
        </div>
      </form>
      <ul className="notes" aria-busy={!notes}>
        {notes?.map(({ id, text }) => (
          <li key={id}>
            <p>{text}</p>
          </li>
        ))}
      </ul>
    </section>
  )
}

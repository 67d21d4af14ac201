import { type Auth, createBrowserOnlyAuth } from 'sallyport/browser-only'

declare global {
  interface Window {
    auth: Auth
  }
}

const { issuer } = await (await fetch('/settings.json')).json()
const auth = createBrowserOnlyAuth({ issuer, client_id: 'spa', scope: 'openid profile offline_access' })
// The test asks it; an app has no reason to put it there.
window.auth = auth

const on = (id: string, work: () => Promise<unknown>) =>
  document.getElementById(id)?.addEventListener('click', () => work().catch(() => {}))

on('in', () => auth.login())
on('popup', () => auth.login({ popup: true }))
on('out', () => auth.logout({ local: true }))
auth.subscribe((session) => {
  const who = document.getElementById('who')
  if (who) who.textContent = session.status === 'signed-in' ? `Hello ${session.user.name}` : session.status
})

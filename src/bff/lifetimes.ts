/** Seconds that cookies and records outlive their session: the page can be told why nobody is signed in. */
export const REMEMBRANCE = 86_400

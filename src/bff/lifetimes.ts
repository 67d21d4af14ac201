/** Seconds that cookies and records are kept after a session has ended, so that the page can be told why it ended. */
export const KEPT_AFTER_END = 86_400

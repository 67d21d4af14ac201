/** No library at all: what the page itself costs. */
export const open = () => ({ start: async () => true, login() {}, getToken: async () => 'token' })

export { AuthProvider, type AuthProviderProps, useAuth, useUser } from './context.js'
export { RequireAuth, type RequireAuthProps, type RequireAuthState } from './require-auth.js'

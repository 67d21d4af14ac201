/** Errors of a step-up, code → message. */
export const stepUpErrors = {
  step_up_started: 'The page leaves to sign in as this API requires. Make the request again after that.',
  step_up_failed: 'The API requires another sign-in again. See cause for its requirements.',
} as const

export type StepUpErrorCode = keyof typeof stepUpErrors

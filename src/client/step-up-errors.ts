/** What can come of a step-up besides its answer, code → message. */
export const stepUpErrors = {
  step_up_started: 'The page leaves to sign in as this API wants. Make the request again after that.',
  step_up_failed: 'The API wants yet another sign-in after this one. See cause for what it demanded.',
} as const

export type StepUpErrorCode = keyof typeof stepUpErrors

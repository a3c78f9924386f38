/** The one table of operational failures: a stable code, what it means. Every code has a paragraph in the README. */

/** The codes, each with what it says. */
export const ERROR_CODES = {
  POSTERN_OPERATOR_FILE_INVALID: "the operator's file is broken",
  POSTERN_SETTINGS_INVALID: 'the settings are broken',
  POSTERN_SETTINGS_UNREADABLE: 'the settings cannot be read',
  POSTERN_FILE_LOCKED: 'somebody else is writing the same file',
  POSTERN_FILE_UNWRITABLE: 'a file cannot be written',
  POSTERN_STATE_UNWRITABLE: 'the state directory cannot be written',
  POSTERN_STATE_UNREADABLE: 'what the state directory holds cannot be used',
  POSTERN_POSTFIX_UNREADABLE: 'the configuration of Postfix cannot be read',
  POSTERN_KEYS_UNREADABLE: 'the key store is damaged or cannot be read',
  POSTERN_KEY_EXISTS: 'the selector names another key already',
  POSTERN_KEY_INVALID: 'a file is no private key that DKIM takes',
  POSTERN_KEY_STATE: 'the state of the key does not allow it',
  POSTERN_NOT_AVAILABLE: 'the provider keeps this from the organization',
  POSTERN_CANNOT_LISTEN: 'a door cannot be opened',
  POSTERN_NO_POSTFIX: 'there is no Postfix at hand',
  POSTERN_ROUTE_EXISTS: 'the organization has a route of that name already',
  POSTERN_ROUTE_IN_USE: 'settings use the route that would be removed',
  POSTERN_ROUTES_NOT_INSTALLED: 'Postfix does not know the routes yet',
  POSTERN_MAP_NOT_WRITTEN: 'a table for Postfix could not be written',
  POSTERN_QUEUE_NEEDS_POSTERN: 'queued mail waits for a route of Postern',
  POSTERN_NOT_FOUND: 'what the command names does not exist',
  POSTERN_WOULD_OVERWRITE: 'a file that is there already would be overwritten',
} as const;

/** One of the codes. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** An operational failure: a sentence for the operator, with the way out, under a stable code. */
export class PosternError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PosternError';
    this.code = code;
  }
}

/** The outcome of a parser or validator: expected failures are values, never exceptions. */

export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

/** A successful {@link Result}. */
export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });

/** A failed {@link Result}. */
export const fail = <E>(error: E): { readonly ok: false; readonly error: E } => ({ ok: false, error });

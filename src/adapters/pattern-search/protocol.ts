/** What the event loop and the thread that matches say to each other. Nothing here does anything. */

/** One search: whether any of the lines matches. A thread has one at a time. */
export type Search = { readonly pattern: string; readonly lines: readonly string[] };

/**
 * What the thread says: once that it is ready, then for each search the position of the first line that matches, or
 * null, with the processor time that it took; `fault` where it could not search.
 */
export type Said =
  | { readonly kind: 'ready' }
  | { readonly kind: 'found'; readonly line: number | null; readonly cpuMs: number }
  | { readonly kind: 'fault'; readonly reason: string };

/** Answers that may be promises, where a test needs no map and so gets them at once. */

/** The answer; throws where it is still on its way. */
export function atOnce<T>(answer: T | Promise<T>): T {
  if (answer instanceof Promise) throw new Error('the answer is not there at once');
  return answer;
}

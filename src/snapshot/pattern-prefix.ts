/**
 * What every line begins with that a pattern can match, as far as the pattern says it plainly: most header lines are
 * told apart by it without running the pattern. Where in doubt, it says nothing.
 * Source: RE2 syntax.
 */

/** Shorter ones tell too little apart. */
const SHORTEST = 3;

/**
 * The literal that a matching line begins with, in small ASCII letters, of a good pattern that is matched without case,
 * and of lines without line ends; null where the pattern does not say it plainly (it is not anchored, or has
 * alternatives outside of groups). In a line U+017F may stand for `s`, and U+212A for `k`.
 */
export function literalPrefix(pattern: string): string | null {
  // With (?m) the anchor means the same, as there are no line ends.
  const rest = /^(?:\(\?[ims]+\))?\^([^]*)$/.exec(pattern)?.[1];
  if (rest === undefined || rest.includes('\\Q') || mayHaveOuterAlternative(rest)) return null;
  const run = rest.slice(0, rest.search(/[^A-Za-z0-9 :_@,;=<>"'/-]|$/));
  // What a quantifier follows may be absent. Flags between the two change nothing: `c(?i)*` is `c*`, `c+(?i)*` too.
  const isQuantified = /^(?:\+|\(\?[A-Za-z-]*\))*[*?{]/.test(rest.slice(run.length));
  const literal = isQuantified ? run.slice(0, -1) : run;
  return literal.length < SHORTEST ? null : literal.toLowerCase();
}

/** An escape, a class that holds nothing which looks like its surroundings, or any other character but `[`. */
const TOKEN = /\\[^]|\[(?!\^?\])(?:[^\][()|\\]|\\[^])+\]|[^[\\]/gy;

/** Whether a `|` stands outside of groups and classes, as far as can be told. */
function mayHaveOuterAlternative(pattern: string): boolean {
  if (!pattern.includes('|')) return false;
  let depth = 0;
  let understood = 0;
  for (const [token] of pattern.matchAll(TOKEN)) {
    understood += token.length;
    if (token === '(') depth += 1;
    else if (token === ')') depth -= 1;
    else if (token === '|' && depth === 0) return true;
  }
  return understood < pattern.length;
}

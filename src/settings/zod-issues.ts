/**
 * How a structural fault reads: sentences that say what is wrong and what would be right.
 */
import type { z } from 'zod';
import type { Issues, Path } from './issue.ts';

type RawIssue = z.core.$ZodIssue;

/** What a value is, in an administrator's words. */
function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `"${value.length > 60 ? `${value.slice(0, 60)}…` : value}"`;
    case 'object':
      if (value === null) return 'nothing (the value is empty)';
      return Array.isArray(value) ? 'a list' : 'a group of keys';
    default:
      return `the ${typeof value} ${String(value)}`;
  }
}

/** `must be text, not the number 5; put it in quotes`. Only what "must be" something can be set against the value. */
export function notThisValue(message: string, value: unknown): string {
  if (!message.startsWith('must be ')) return message;
  const end = message.indexOf(';');
  const rule = end < 0 ? message : message.slice(0, end);
  return `${rule}, not ${describeValue(value)}${message.slice(rule.length)}`;
}

/** The key that was probably meant, or null. A plain comparison with each, because the lists are short. */
function closest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(word.length / 2));
  for (const candidate of known) {
    if (word.length - candidate.length >= bestDistance) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** How many typing errors lie between two words; two letters that changed places are one. */
function editDistance(a: string, b: string): number {
  const width = b.length + 1;
  let beforeLast = new Uint32Array(width);
  let last = Uint32Array.from({ length: width }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = new Uint32Array(width).fill(i, 0, 1);
    for (let j = 1; j < width; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const oneEdit = 1 + Math.min(last[j] as number, current[j - 1] as number);
      const oneLetter = (last[j - 1] as number) + (isSame ? 0 : 1);
      current[j] = Math.min(oneEdit, oneLetter, isSwapped ? (beforeLast[j - 2] as number) + 1 : Infinity);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] as number;
}

/** Reports an unknown key at the key itself, with the key that was probably meant or all that are known. */
export function reportUnknownKey(issues: Issues, path: Path, key: string, known: readonly string[]): void {
  const guess = closest(key, known);
  const wayOut = guess === null ? `known here: ${known.join(', ')}` : `did you mean "${guess}"?`;
  issues.errorAtKey([...path, key], `is an unknown key; ${wayOut}`);
}

/** Adds zod's issue about the value itself, which stands at `path`, to `issues`. */
export function reportFault(issues: Issues, path: Path, raw: unknown, fault: RawIssue): void {
  if (raw === undefined) issues.errorAtKey(path, `is missing; it ${fault.message}`);
  else issues.error(path, fault.code === 'custom' ? fault.message : notThisValue(fault.message, raw));
}

/**
 * The index of the branch of a union that the writer meant: not the wrong type at its root, and with the fewest
 * faults. -1 where no branch is.
 */
export function likeliestBranch(branches: readonly (readonly RawIssue[])[]): number {
  let best = -1;
  let fewest = Infinity;
  for (const [index, branch] of branches.entries()) {
    if (branch.some((issue) => issue.path.length === 0 && issue.code === 'invalid_type')) continue;
    const faults = branch.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);
    if (faults < fewest) [best, fewest] = [index, faults];
  }
  return best;
}

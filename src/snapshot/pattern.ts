/**
 * Whether a pattern can be matched in linear time, whatever text it meets, and without too much work for each character.
 * Source: RE2 syntax, as re2js implements it.
 */
import { RE2JS } from 're2js';

/**
 * Instructions of a compiled pattern. A thousand characters without counts in braces need fewer, and so does one
 * `.{0,1000}`; with this many the worst text of 64 KiB takes two to three seconds.
 */
const MOST_INSTRUCTIONS = 2_500;

/** What is wrong with the pattern, as a sentence fragment; null where it is good. */
export function checkPattern(pattern: string): string | null {
  try {
    const size = RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE).programSize();
    if (size <= MOST_INSTRUCTIONS) return null;
    return `needs ${size} steps for each character, and the limit is ${MOST_INSTRUCTIONS}; write smaller counts in braces`;
  } catch (error) {
    const detail = (error as Error).message.replace(/^error parsing regexp: /, '');
    if (/`(?:\(\?(?:<?[=!]|P`)|\\[1-9k])/.test(detail)) {
      return `uses look-around or a back-reference, which cannot be matched in linear time (${detail}); write it without`;
    }
    return `is no valid pattern (RE2 syntax): ${detail}`;
  }
}

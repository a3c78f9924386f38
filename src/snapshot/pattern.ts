/**
 * Whether a pattern can be matched in linear time, whatever text it meets.
 * Source: RE2 syntax, as re2js implements it.
 */
import { RE2JS } from 're2js';

/** What is wrong with the pattern, as a sentence fragment; null where it is good. */
export function checkPattern(pattern: string): string | null {
  try {
    RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE);
    return null;
  } catch (error) {
    const detail = (error as Error).message.replace(/^error parsing regexp: /, '');
    if (/`(?:\(\?(?:<?[=!]|P`)|\\[1-9k])/.test(detail)) {
      return `uses look-around or a back-reference, which cannot be matched in linear time (${detail}); write it without`;
    }
    return `is no valid pattern (RE2 syntax): ${detail}`;
  }
}

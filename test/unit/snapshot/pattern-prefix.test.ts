import { describe, expect, it } from 'vitest';
import { checkPattern } from '../../../src/snapshot/index.ts';
import { literalPrefix } from '../../../src/snapshot/pattern-prefix.ts';

describe('literalPrefix', () => {
  it.each([
    ['^X-Gw-Score: (9|10)', 'x-gw-score: '],
    ['^X-Spam: yes$', 'x-spam: yes'],
    ['^Subject: \\[SPAM\\]', 'subject: '],
    ['(?i)^X-Spam', 'x-spam'],
    ['(?ims)^X-Spam', 'x-spam'],
    ['^X-Spam\\|x', 'x-spam'],
    ['^X-Spam(?:a(b|c)|d)', 'x-spam'],
    ['^X-Spam[^\\s]*(a|b)', 'x-spam'],
  ])('of %j is %j', (pattern, prefix) => {
    expect(literalPrefix(pattern)).toBe(prefix);
  });

  it.each([
    ['not anchored', 'X-Spam: yes'],
    ['not anchored, by a flag that takes the anchor for a character', '\\^X-Spam'],
    ['other flags before', '(?U)^X-Spam'],
    ['two groups of flags', '(?i)(?s)^X-Spam'],
    ['the anchor may be absent', '^?X-Spam'],
    ['the anchor may be absent, by a count', '^{0,}X-Spam'],
    ['too short', '^X-'],
    ['too short after what may be absent', '^abc*'],
    ['nothing plain', '^.X-Spam'],
    ['an edge of a word first', '^\\bX-Spam'],
    ['an alternative', '^X-Spam|^X-Bulk'],
    ['an empty alternative', '^X-Spam|'],
    ['a bar in a class: in doubt', '^X-Spam[|]'],
    ['an alternative after a group', '^X-Spam(a)|b'],
    ['an alternative after a class', '^X-Spam[a]|b'],
    ['an alternative behind a bracket that opens no group', '^X-Spam\\(|b'],
    ['an alternative behind a class that begins with its end', '^X-Spam[](]|b'],
    ['an alternative behind a class of all but its end', '^X-Spam[^](]|b'],
    ['an alternative behind a class in a class', '^X-Spam[[:alpha:](]|b'],
    ['an alternative behind a class with an escaped end', '^X-Spam[\\](]|b'],
    ['an alternative behind quoted text', '^X-Spam\\Q(\\E|b'],
    ['quoted text that ends before a quantifier', '^X-Spam\\Q\\E*'],
    ['a pattern that is empty', ''],
  ])('is null: %s', (_, pattern) => {
    expect(literalPrefix(pattern)).toBeNull();
  });

  it.each([
    ['^abcd*', 'abc'],
    ['^abcd?', 'abc'],
    ['^abcd{0,}', 'abc'],
    ['^abcd{2}', 'abc'],
    ['^abcd+', 'abcd'],
    ['^abcd+?', 'abc'],
    ['^abcd(?i)*', 'abc'],
    ['^abcd(?i)(?s)?', 'abc'],
    ['^abcd+(?-i)*', 'abc'],
    ['^abcd(?i)e*', 'abcd'],
    ['^abcd(?:e)*', 'abcd'],
  ])('what may be absent in %j is not part of it', (pattern, prefix) => {
    expect(literalPrefix(pattern)).toBe(prefix);
  });
});

describe('GW-09 the size of patterns', () => {
  it.each([
    ['a count of a thousand', 'a{1000}'],
    ['up to a thousand of anything', '^Subject: .{0,1000}x'],
    ['a thousand letters', 'x'.repeat(1000)],
    ['the most steps for a thousand characters', '()*'.repeat(333)],
    ['classes of every letter there is', '\\pL'.repeat(333)],
  ])('GW-09 %s is taken', (_, pattern) => {
    expect(checkPattern(pattern)).toBeNull();
  });

  it.each(['[a-z]{1,1000}b[a-z]{1,1000}', '(((a{1,10}){1,10}){1,10})b{1000}'])(
    'GW-09 %s is refused: too many steps for each character',
    (pattern) => {
      expect(checkPattern(pattern)).toMatch(
        /^needs [34]\d{3} steps for each character, and the limit is 2500; write smaller counts in braces$/,
      );
    },
  );

  it('GW-09 counts in counts are refused by the engine', () => {
    expect(checkPattern('((a{1,30}){1,30}){1,30}')).toMatch(
      /^is no valid pattern \(RE2 syntax\): invalid repeat count/,
    );
  });
});

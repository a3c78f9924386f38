import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validate } from '../../../src/settings/index.ts';
import { checkPattern, compile } from '../../../src/snapshot/index.ts';
import { aHost, REVISION, someMaterials } from '../../support/builders.ts';
import { document, pick, some } from './documents.ts';

const around = fc.record({
  smtpd: some(pick('*:25', '127.0.0.1:2525', '::1:25')),
  internalDomain: pick('route.postern.internal', 'example', 'b.example'),
});

describe('compile', () => {
  it('gives a snapshot or at least one issue for any good settings, and the same again', () => {
    fc.assert(
      fc.property(document, around, fc.boolean(), (good, surroundings, isChecked) => {
        const { settings } = validate(good, isChecked ? checkPattern : undefined);
        fc.pre(settings !== null);
        const what = { ...surroundings, lists: { 'drop.txt': '192.0.2.0/24\n' } };
        const compiled = compile(settings, someMaterials(what), aHost(what), REVISION);
        if (compiled.ok) expect([...compiled.value.domains.keys()]).toEqual(['a.example', 'b.example']);
        else expect(compiled.error.map(({ severity, pointer }) => [severity, pointer === ''])).not.toHaveLength(0);
        expect(compile(settings, someMaterials(what), aHost(what), REVISION)).toEqual(compiled);
      }),
      { numRuns: 1000 },
    );
  });

  it('is total over patterns: each is good or has its reason', () => {
    const near = fc
      .array(
        fc.oneof(
          pick(
            '(',
            ')',
            '[',
            ']',
            '(?=',
            '(?<n>',
            '\\1',
            '*',
            '+',
            '{2}',
            '{1001}',
            '|',
            '^',
            '$',
            '\\',
            '\\p{L}',
            'a',
          ),
          fc.string({ unit: 'binary', maxLength: 2 }),
        ),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(near, (pattern) => {
        expect(checkPattern(pattern)).not.toBe('');
      }),
      { numRuns: 3000 },
    );
  });
});

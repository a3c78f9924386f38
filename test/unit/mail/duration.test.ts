import { describe, expect, it } from 'vitest';
import { formatReply, parseDuration, permanent, transient } from '../../../src/mail/index.ts';

describe('a span of time', () => {
  it.each([
    ['1s', 1000],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['3d', 259_200_000],
    ['2w', 1_209_600_000],
    ['999999w', 604_799_395_200_000],
  ])('%s is %d ms', (text, value) => {
    expect(parseDuration(text)).toEqual({ ok: true, value });
  });

  it.each(['', '10', 'm', '0m', '01m', '1.5h', '-1h', '1 h', '10M', '10min', '1h30m', '1000000s', '1h\n'])(
    '"%s" is none',
    (text) => {
      expect(parseDuration(text)).toEqual({
        ok: false,
        error: `"${text}" is no time; write a whole number and a unit, such as 30s, 10m, 1h, 3d or 2w`,
      });
    },
  );
});

describe('a reply', () => {
  it('is one line of code, enhanced status code and text', () => {
    expect(formatReply(permanent('550', '5.7.1', 'No'))).toBe('550 5.7.1 No');
    expect(formatReply(transient('451', '4.3.0', 'Later'))).toBe('451 4.3.0 Later');
  });
});

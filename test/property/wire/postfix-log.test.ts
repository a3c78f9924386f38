import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogLines, maxLogLineOctets, parseLogLine, parseLogTime } from '../../../src/wire/postfix-log/index.ts';
import { cut } from './chunking.ts';

const BEGIN = 'Nov 25 11:33:17 mx postfix/postern-r7/smtp[123]: 4WqZ3k1Hsdz9: ';
/** Pieces that lines are made of, so that a made one comes far. */
const piece = fc.oneof(
  fc.constantFrom(
    ...[
      'to=<',
      'from=<',
      'orig_to=<',
      '>',
      '"',
      '\\',
      ', ',
      ', dsn=5.1.1',
      ', status=bounced (',
      ')',
      ', status=expired',
    ],
    ...[', size=', 'removed', BEGIN, '@', '2026-11-25T11:33:17Z', '[', ']: '],
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const line = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));

describe('parseLogLine', () => {
  it('never throws', () => {
    fc.assert(
      fc.property(line, fc.boolean(), (text, hasHead) => {
        const event = parseLogLine(hasHead ? BEGIN + text : text);
        if (event !== null) parseLogTime(event.time, 0);
      }),
      { numRuns: 5_000 },
    );
  });

  it('a recipient in quotes comes back as it was written, whatever stands around it', () => {
    const inQuotes = fc.string({ maxLength: 60 }).map((text) => text.replaceAll(/["\\]/g, String.raw`\$&`));
    const text = fc.string({ maxLength: 60 });
    fc.assert(
      fc.property(inQuotes, text, (localPart, said) => {
        const recipient = `"${localPart}"@a.example`;
        const rest = `to=<${recipient}>, relay=none, delay=1, delays=1/0/0/0, dsn=5.1.1, status=bounced (${said})`;
        expect(parseLogLine(BEGIN + rest)).toMatchObject({ recipient, dsn: '5.1.1', status: 'bounced', text: said });
      }),
    );
  });

  it('takes time in proportion to the line', () => {
    const hostile = [...['to=<"', 'to=<\\', ', dsn=', ', dsn=5.1.1', '(((', '>>>', 'Nov 25 '], 'to=<a>, orig_to=<"\\'];
    for (const text of hostile) {
      const time = (octets: number): number => {
        const whole = BEGIN + `to=<a>${text.repeat(octets / text.length)}`;
        const other = text.repeat(octets / text.length);
        const began = performance.now();
        for (let n = 0; n < 20; n += 1) {
          parseLogLine(whole);
          parseLogLine(BEGIN + other);
          parseLogLine(other);
        }
        return performance.now() - began;
      };
      time(8_192);
      // 64 times the text: 4,096 times the time, were it the square.
      expect(time(524_288)).toBeLessThan(Math.max(400, 640 * time(8_192)));
    }
  });
});

describe('LogLines', () => {
  const stream = fc
    .array(fc.oneof(fc.constant('\n'), fc.string(), fc.constant('x'.repeat(maxLogLineOctets))), { maxLength: 20 })
    .map((parts) => Buffer.from(parts.join('')));

  it('the pieces make no difference', () => {
    fc.assert(
      fc.property(cut(stream), ({ stream: bytes, cuts }) => {
        const [whole, pieces] = [new LogLines(), new LogLines()];
        const found: string[] = [];
        let from = 0;
        // Not octet by octet: lines here are long.
        for (const to of [...cuts.slice(0, 40).toSorted((a, b) => a - b), bytes.length]) {
          found.push(...pieces.receive(Buffer.from(bytes.subarray(from, to))));
          from = to;
        }
        expect(found).toEqual(whole.receive(bytes));
        expect(pieces.pendingOctets).toBe(whole.pendingOctets);
        const end = bytes.length - whole.pendingOctets;
        expect(end === 0 || bytes[end - 1] === 0x0a).toBe(true);
      }),
    );
  });
});

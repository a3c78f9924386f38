import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LocalProtocolError,
  PeerProtocolError,
  SMFIP,
  orderHeaderDeletions,
} from '../../../../src/wire/milter/index.ts';
import type { AnswerableEvent, MilterEvent, Modification, Verdict } from '../../../../src/wire/milter/index.ts';
import * as mta from '../../../unit/wire/milter/mta.ts';
import { agreed, feed, newSession, type Setup } from '../../../unit/wire/milter/told.ts';

const LIMIT = 200;
const text = fc.string({ unit: fc.constantFrom('a', '<', '>', 'é', '\xff', ' ', '\n', '{', '}'), maxLength: 8 });
const name = fc.constantFrom('i', '{i}', '{auth_authen}', '{rcpt_mailer}', 'error');
const letter = fc.constantFrom('C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E', 'U', 'A', 'Z');

/** Packets as an MTA sends them, in any order, and what only a broken one sends. */
const command = fc.oneof(
  fc.constant(mta.connect()),
  fc.constant(mta.helo()),
  fc.constantFrom(mta.data, mta.endOfHeaders, mta.endOfMessage, mta.abort, mta.quitNewConnection),
  text.map((path) => mta.mail(path)),
  fc.tuple(text, text).map(([path, arg]) => mta.rcpt(path, arg)),
  fc.tuple(text, text).map(([field, value]) => mta.header(field, value)),
  text.map((bytes) => mta.body(bytes)),
  text.map((word) => mta.unknown(word)),
  fc.tuple(letter, fc.array(name, { maxLength: 5 })).map(([code, names]) => mta.macros(code, ...names)),
);
const broken = fc.oneof(
  fc.constant(mta.quit),
  fc.tuple(letter, text).map(([code, payload]) => mta.packet(code, payload)),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(mta.u32),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);
const start = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(mta.offer(), mta.offer(2, 0x3f, 0x7f), mta.offer(4)) },
  { weight: 1, arbitrary: broken },
);
const stream = fc
  .tuple(
    start,
    fc.array(fc.oneof({ weight: 12, arbitrary: command }, { weight: 1, arbitrary: broken }), { maxLength: 40 }),
  )
  .map(([first, rest]) => Buffer.concat([first, ...rest]));

const answers = fc
  .subarray<AnswerableEvent>(['connect', 'helo', 'mail', 'rcpt', 'data', 'header', 'endOfHeaders', 'body', 'unknown'])
  .map((events) => new Set(events));
const setup = fc
  .tuple(
    answers,
    fc.constantFrom(0, SMFIP.RCPT_REJ, SMFIP.SKIP),
    fc.constantFrom('unix' as const, 'tcp' as const),
    fc.boolean(),
  )
  .map(([wanted, protocol, transport, streamsBody]): Setup => ({
    streamsBody,
    answers: wanted,
    protocol,
    transport,
    actions: 0,
    maxPacketBytes: LIMIT,
  }));

/** An event that does not share memory with the stream, of body chunks the text. */
function frozen(event: MilterEvent): Record<string, unknown> {
  if (event.kind === 'fault') {
    expect(event.error).toBeInstanceOf(PeerProtocolError);
    return { fault: event.error.fault };
  }
  return event.kind === 'body' ? { ...event, chunk: event.chunk.toString('latin1') } : event;
}

/** Joins the text of body chunks that follow one another and owe no reply: where they are cut is nobody's business. */
function withJoinedBodies(events: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  const joined: Record<string, unknown>[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    const areBoth = last?.kind === 'body' && event.kind === 'body' && last.owesReply === false;
    if (areBoth) last.chunk = `${String(last.chunk)}${String(event.chunk)}`;
    else joined.push(event);
  }
  return joined;
}

/** The events of a stream that comes in pieces; checks the limit, and spoils each piece once it is used. */
function eventsOf(options: Setup, bytes: Buffer, cuts: readonly number[]): object[] {
  const session = newSession(options);
  const found: Record<string, unknown>[] = [];
  let from = 0;
  for (const to of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    const chunk = Buffer.from(bytes.subarray(from, to));
    found.push(...session.receive(chunk).map(frozen));
    chunk.fill(0x21);
    expect(session.bufferedBytes).toBeLessThan(LIMIT + 4);
    from = to;
  }
  found.push(...session.end().map(frozen));
  return options.streamsBody === true ? withJoinedBodies(found) : found;
}

describe('MilterSession', () => {
  it('MIL-13 any chunking gives equal events, never throws and never keeps more than the limit', () => {
    const cut = stream.chain((bytes) =>
      fc.tuple(
        fc.constant(bytes),
        fc.oneof(
          fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 }),
          fc.constant(Array.from({ length: bytes.length }, (_, at) => at)),
        ),
      ),
    );
    fc.assert(
      fc.property(setup, cut, (options, [bytes, cuts]) => {
        expect(eventsOf(options, bytes, cuts)).toEqual(eventsOf(options, bytes, []));
      }),
      { numRuns: 3000 },
    );
  });

  it('MIL-13 random octets after a negotiation never throw, and end in silence or one fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const events = feed(agreed({ maxPacketBytes: LIMIT }), bytes);
        const faults = events.flatMap((event, at) => (event.kind === 'fault' ? [at] : []));
        expect(faults.every((at) => at === events.length - 1)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('exactly the events that owe a reply can be answered', () => {
    fc.assert(
      fc.property(setup, stream, (options, bytes) => {
        const session = newSession(options);
        for (const event of session.receive(bytes)) {
          if (event.owesReply) expect(mta.read(session.reply({ kind: 'continue' }))).toEqual([['c']]);
        }
        expect(() => session.reply({ kind: 'continue' })).toThrow(LocalProtocolError);
      }),
    );
  });

  it('MIL-01 between two messages there is always an end of message or an abort', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (packets) => {
        let isOpen = false;
        for (const { kind } of feed(agreed(), ...packets)) {
          if (kind === 'mail') {
            expect(isOpen).toBe(false);
            isOpen = true;
          } else if (kind === 'endOfMessage' || kind === 'abort') isOpen = false;
          else if (!['connect', 'helo', 'unknown', 'notice'].includes(kind)) {
            expect(kind === 'quitNewConnection' ? !isOpen : isOpen || kind === 'fault').toBe(true);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});

const octet = fc.integer({ min: 1, max: 255 }).map((value) => String.fromCharCode(value));
const line = fc.string({ unit: octet.filter((value) => value !== '\r' && value !== '\n'), maxLength: 20 });
const value = fc
  .array(
    line.filter((part) => /[^ \t]/.test(part)),
    { minLength: 1, maxLength: 3 },
  )
  .map((parts) => parts.join('\n\t'));
const field = fc.constantFrom('X-A', 'x-a', 'Subject', 'DKIM-Signature');
const index = fc.nat({ max: 9 }).map((at) => at + 1);
const address = line.filter((path) => path !== '' && !path.startsWith('<'));
const args = fc.array(fc.constantFrom('SIZE=1', 'NOTIFY=NEVER'), { minLength: 1, maxLength: 2 });

type Change = readonly [said: Modification, read: (string | number)[]];
const change = (said: Modification, ...read: (string | number)[]): Change => [said, read];

/** Changes, and what an MTA that was promised the leading space must read of them. */
const anyChange: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(field, value).map(([n, v]) => change({ kind: 'addHeader', name: n, value: v }, 'h', n, ` ${v}`)),
  fc
    .tuple(index, field, value)
    .map(([at, n, v]) => change({ kind: 'insertHeader', index: at, name: n, value: v }, 'i', at, n, ` ${v}`)),
  fc
    .tuple(index, field, value)
    .map(([at, n, v]) => change({ kind: 'changeHeader', index: at, name: n, value: v }, 'm', at, n, ` ${v}`)),
  fc.tuple(index, field).map(([at, n]) => change({ kind: 'deleteHeader', index: at, name: n }, 'm', at, n, '')),
  address.map((a) => change({ kind: 'changeSender', sender: a }, 'e', `<${a}>`)),
  address.map((a) => change({ kind: 'addRecipient', recipient: a }, '+', `<${a}>`)),
  fc
    .tuple(address, args)
    .map(([a, p]) => change({ kind: 'addRecipient', recipient: a, args: p }, '2', `<${a}>`, p.join(' '))),
  address.map((a) => change({ kind: 'deleteRecipient', recipient: a }, '-', `<${a}>`)),
  line.filter((reason) => reason !== '').map((reason) => change({ kind: 'quarantine', reason }, 'q', reason)),
);

describe('answers', () => {
  const owing = (): ReturnType<typeof agreed> => {
    const session = agreed();
    feed(session, mta.mail('<a>'), mta.endOfMessage);
    return session;
  };

  it('an MTA reads what was said, in order, and one verdict at the end', () => {
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 8 }), (changes) => {
        const bytes = owing().reply(
          { kind: 'continue' },
          changes.map(([modification]) => modification),
        );
        expect(mta.read(bytes)).toEqual([...changes.map(([, read]) => read), ['c']]);
      }),
      { numRuns: 1000 },
    );
  });

  it('MIL-06 whatever text is given: it is refused, or holds no CR, no NUL and only folds', () => {
    const unit = fc.constantFrom('a', '\n', '\r', '\t', ' ', '\0', 'é', 'Ω', ':');
    const anyText = fc.string({ unit, maxLength: 10 });
    fc.assert(
      fc.property(anyText, anyText, (header, anyValue) => {
        let bytes: Buffer;
        try {
          bytes = owing().reply({ kind: 'continue' }, [{ kind: 'addHeader', name: header, value: anyValue }]);
        } catch (error) {
          expect(error).toBeInstanceOf(LocalProtocolError);
          return;
        }
        const [read] = mta.read(bytes);
        expect(read).toEqual(['h', header, anyValue === '' ? '' : ` ${anyValue}`]);
        expect(header).toMatch(/^[!-9;-~]+$/);
        expect(anyValue.replaceAll(/\n[ \t]+(?=[^ \t\n])/g, '')).not.toMatch(/[\r\n\0]/);
      }),
      { numRuns: 3000 },
    );
  });

  it('REPLYCODE: whatever lines are given, a client that undoes %% reads them, every line with the codes', () => {
    const part = fc.string({ unit: fc.constantFrom('a', '%', ' ', '4', '5', '.', '\t', '\r', 'é'), maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom(421, 450, 550), fc.array(part, { maxLength: 4 }), (code, lines) => {
        const verdict: Verdict = { kind: 'reply', code, lines };
        let read: unknown;
        try {
          read = mta.read(owing().reply(verdict))[0]?.[1];
        } catch (error) {
          expect(error).toBeInstanceOf(LocalProtocolError);
          return;
        }
        const seen = String(read).replaceAll('%%', '%').split('\r\n');
        expect(seen).toEqual(lines.map((each, at) => `${code}${at === lines.length - 1 ? ' ' : '-'}${each}`));
      }),
      { numRuns: 2000 },
    );
  });

  it('MIL-02 deletions in the order given leave exactly the other fields', () => {
    const fields = fc.array(fc.constantFrom('A', 'a', 'B', 'C'), { maxLength: 12 });
    fc.assert(
      fc.property(
        fields,
        fc.array(fc.tuple(fc.constantFrom('A', 'b', 'C'), index), { maxLength: 10 }),
        (names, picked) => {
          const counts = new Map<string, number>();
          const all = names.map((each, at): [string, string, number] => {
            const key = each.toLowerCase();
            const count = (counts.get(key) ?? 0) + 1;
            counts.set(key, count);
            return [each, ` ${at}`, count];
          });
          const places = picked.map(([each, at]) => ({ name: each, index: at }));
          const left = all.filter(
            ([each, , count]) =>
              !places.some((place) => place.name.toLowerCase() === each.toLowerCase() && place.index === count),
          );
          const bytes = owing().reply({ kind: 'continue' }, orderHeaderDeletions(places));
          expect(
            mta.applyHeaderChanges(
              all.map(([each, v]) => [each, v]),
              bytes,
              true,
            ),
          ).toEqual(left.map(([each, v]) => [each, v]));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

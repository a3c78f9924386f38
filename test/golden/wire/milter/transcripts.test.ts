/**
 * Replays the transcripts beside it. A transcript is read from top to bottom; "#" starts a comment line:
 *
 *   WANT> options      the options of the session, once, as JSON: actions, protocol, transport, answers, macros
 *   MTA> C payload     one packet from the MTA, its length added. \n \r \t \0 \\ and \xHH are escapes; the rest is latin1.
 *   MTA+ C payload     the same, in one write with the line after it
 *   RAW> octets        a write that is not a whole packet
 *   EVENT> text        what the session told; "?" after its name means that it owes a reply
 *   MACROS> i=...      the macros at the event above, asked for by the ASK> line
 *   ASK> names         the macros to show at each later event, separated by spaces
 *   ANSWER> kind       the verdict, or JSON with verdict and modifications
 *   END>               the connection ends
 *   POSTERN< C payload one packet of what was written; "POSTERN<" without one ends a write
 *   REFUSED< code      ... or the code with which the answer was refused
 *
 * At the end of a transcript nothing may be left over, on either side.
 */
import { Buffer } from 'node:buffer';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LocalProtocolError, macro } from '../../../../src/wire/milter/index.ts';
import type { AnswerableEvent, MilterEvent, MilterSession, MilterWants } from '../../../../src/wire/milter/index.ts';
import type { Modification, Verdict } from '../../../../src/wire/milter/index.ts';
import { octets, packet, packets } from '../../../unit/wire/milter/mta.ts';
import { newSession, shown } from '../../../unit/wire/milter/told.ts';

type Options = MilterWants & { readonly answers?: readonly AnswerableEvent[] };
type Answer = { readonly verdict: Verdict; readonly modifications?: readonly TextModification[] };
/** A body is text in a transcript. */
type TextModification = Modification | { readonly kind: 'replaceBody'; readonly body: string };

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0', '\\': '\\' };
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(ESCAPES).map(([name, octet]) => [octet, `\\${name}`]),
);

function unescape(text: string): string {
  return text.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, name: string) => {
    const octet = hex === undefined ? ESCAPES[name] : String.fromCharCode(Number.parseInt(hex, 16));
    if (octet === undefined) throw new Error(`unknown escape \\${name}`);
    return octet;
  });
}

const escape = (text: string): string =>
  text.replace(/[^ -[\]-~]/g, (octet) => {
    return NAMES.get(octet) ?? `\\x${octet.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });

function readPacket(text: string): Buffer {
  const [, code = '', payload = ''] = /^(\S)(?: (.*))?$/.exec(text) ?? [];
  if (code === '') throw new Error(`not a packet: ${text}`);
  return packet(code, unescape(payload));
}

const written = (bytes: Buffer): string[] => [
  ...packets(bytes).map(({ code, payload }) => `POSTERN< ${code} ${escape(payload.toString('latin1'))}`.trimEnd()),
  'POSTERN<',
];

function told(events: readonly MilterEvent[], asked: readonly string[]): string[] {
  return events.flatMap((event) => {
    const lines = [`EVENT> ${escape(shown(event))}`];
    const values = 'macros' in event ? asked.map((name) => [name, macro(event, name)]) : [];
    const known = values.filter(([, value]) => value !== undefined);
    if (known.length > 0) lines.push(`MACROS> ${known.map((pair) => pair.join('=')).join(' | ')}`);
    return event.kind === 'negotiated' ? [...lines, ...written(event.answer)] : lines;
  });
}

function replied(session: MilterSession, text: string): string[] {
  const { verdict, modifications = [] } = (
    text.startsWith('{') ? JSON.parse(text) : { verdict: { kind: text } }
  ) as Answer;
  const changes = modifications.map((change) =>
    change.kind === 'replaceBody' ? { ...change, body: octets(change.body as string) } : change,
  );
  try {
    return written(session.reply(verdict, changes));
  } catch (error) {
    if (error instanceof LocalProtocolError) return [`REFUSED< ${error.fault.code}`];
    throw error;
  }
}

/** The transcript as it happens now: the lines of the MTA and of the caller given, the others made. */
function replay(lines: readonly string[]): string[] {
  let session = newSession();
  let asked: string[] = [];
  let joined: Buffer[] = [];
  const receive = (line: string, bytes: Buffer): string[] => {
    const events = session.receive(Buffer.concat([...joined, bytes]));
    joined = [];
    return [line, ...told(events, asked)];
  };
  return lines.flatMap((line) => {
    const [, mark = '', text = ''] = /^(\S+) ?(.*)$/.exec(line) ?? [];
    switch (mark) {
      case 'WANT>': {
        const { answers, ...wanted } = JSON.parse(text) as Options;
        session = newSession({ ...wanted, answers: new Set(answers) });
        return [line];
      }
      case 'ASK>':
        asked = text.split(' ');
        return [line];
      case 'MTA+':
        joined.push(readPacket(text));
        return [line];
      case 'MTA>':
        return receive(line, readPacket(text));
      case 'RAW>':
        return receive(line, octets(unescape(text)));
      case 'ANSWER>':
        return [line, ...replied(session, text)];
      case 'END>':
        return [line, ...told(session.end(), asked)];
      case 'EVENT>':
      case 'MACROS>':
      case 'POSTERN<':
      case 'REFUSED<':
        return [];
      default:
        throw new Error(`not a line of a transcript: ${line}`);
    }
  });
}

describe('milter', () => {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.transcript'));

  it('has transcripts', () => {
    expect(files).not.toEqual([]);
  });

  it.each(files.map((file) => [file.replace(/\.transcript$/, ''), file]))('%s', (_, file) => {
    const lines = readFileSync(`${import.meta.dirname}/${file}`, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(replay(lines)).toEqual(lines);
  });
});

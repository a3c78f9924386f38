/**
 * Replays the transcripts beside it. A transcript is read from top to bottom; "#" starts a comment line:
 *
 *   MTA> octets        one chunk from Postfix. \n \r \t \0 \\ and \xHH are escapes; other characters are UTF-8.
 *   EVENT> text        what the decoder made of the MTA> lines above; a fault shows its code and offset
 *   ANSWER> text       what Postern wants to say: an action, or a socketmap reply (ok, notfound, temp, timeout, perm)
 *   POSTERN< octets    how it was encoded, in the same escapes
 *   REFUSED< code      ... or the code with which the encoder refused
 *
 * At the end of a transcript nothing may be left over, on either side.
 */
import { Buffer } from 'node:buffer';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { NetstringDecoder, encodeNetstring } from '../../../src/wire/netstring/index.ts';
import type { NetstringEvent } from '../../../src/wire/netstring/index.ts';
import { PolicyDecoder, encodeAction } from '../../../src/wire/policy/index.ts';
import type { PolicyEvent } from '../../../src/wire/policy/index.ts';
import { LocalProtocolError } from '../../../src/wire/protocol-error.ts';
import { SocketmapDecoder, encodeSocketmapReply } from '../../../src/wire/socketmap/index.ts';
import type { SocketmapEvent, SocketmapReply } from '../../../src/wire/socketmap/index.ts';

type Codec = { receive(chunk: Buffer): string[]; encode(answer: string): Buffer };

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0', '\\': '\\' };
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(ESCAPES).map(([name, octet]) => [octet, `\\${name}`]),
);

function unescape(text: string): Buffer {
  const parts = text.match(/\\x[0-9a-f]{2}|\\.|[^\\]+/g) ?? [];
  return Buffer.concat(
    parts.map((part) => {
      if (!part.startsWith('\\')) return Buffer.from(part);
      if (part.length === 4) return Buffer.from(part.slice(2), 'hex');
      const octet = ESCAPES[part.slice(1)];
      if (octet === undefined) throw new Error(`unknown escape ${part}`);
      return Buffer.from(octet);
    }),
  );
}

function escape(octets: Buffer): string {
  return octets.toString('latin1').replace(/[^ -[\]-~]/g, (octet) => {
    return NAMES.get(octet) ?? `\\x${octet.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

function shown(event: PolicyEvent | NetstringEvent | SocketmapEvent): string {
  switch (event.kind) {
    case 'fault':
      return `fault ${event.error.fault.code} at ${event.error.fault.offset}`;
    case 'request':
      return [
        'request',
        ...[...event.request].filter(([name]) => name !== 'request').map((pair) => pair.join('=')),
      ].join(' | ');
    case 'payload':
      return `payload "${escape(event.payload)}"`;
    case 'query':
      return `query map=${event.map} key=${event.key}`;
  }
}

function socketmapReply(answer: string): SocketmapReply {
  const [kind = '', text = ''] = answer.split(/ (.*)/s);
  if (kind === 'ok') return { kind, value: text };
  if (kind === 'notfound') return { kind };
  if (kind === 'temp' || kind === 'timeout' || kind === 'perm') return { kind, reason: text };
  throw new Error(`unknown reply ${kind}`);
}

const codecs: Readonly<Record<string, () => Codec>> = {
  policy: () => {
    const decoder = new PolicyDecoder();
    return { receive: (chunk) => decoder.receive(chunk).map(shown), encode: encodeAction };
  },
  netstring: () => {
    const decoder = new NetstringDecoder();
    return { receive: (chunk) => decoder.receive(chunk).map(shown), encode: encodeNetstring };
  },
  socketmap: () => {
    const decoder = new SocketmapDecoder();
    return {
      receive: (chunk) => decoder.receive(chunk).map(shown),
      encode: (answer) => encodeSocketmapReply(socketmapReply(answer)),
    };
  },
};

function encoded(codec: Codec, answer: string): string {
  try {
    return `POSTERN< ${escape(codec.encode(answer))}`;
  } catch (error) {
    if (error instanceof LocalProtocolError) return `REFUSED< ${error.fault.code}`;
    throw error;
  }
}

/** The transcript as it happens now: the MTA> and ANSWER> lines given, the others made. */
function replay(codec: Codec, lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const [, mark = '', text = ''] = /^(MTA>|ANSWER>|EVENT>|POSTERN<|REFUSED<) ?(.*)$/.exec(line) ?? [];
    switch (mark) {
      case 'MTA>':
        return [line, ...codec.receive(unescape(text)).map((event) => `EVENT> ${event}`)];
      case 'ANSWER>':
        return [line, encoded(codec, unescape(text).toString())];
      case '':
        throw new Error(`not a line of a transcript: ${line}`);
      default:
        return [];
    }
  });
}

describe.each(Object.entries(codecs))('%s', (name, codec) => {
  const folder = `${import.meta.dirname}/${name}`;
  const files = readdirSync(folder).filter((file) => file.endsWith('.transcript'));

  it('has transcripts', () => {
    expect(files).not.toEqual([]);
  });

  it.each(files.map((file) => [file.replace(/\.transcript$/, ''), file]))('%s', (_, file) => {
    const lines = readFileSync(`${folder}/${file}`, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(replay(codec(), lines)).toEqual(lines);
  });
});

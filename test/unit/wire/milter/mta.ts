/**
 * The MTA's side of the milter protocol, for tests: writes commands, reads answers, and applies header changes as Postfix
 * does. Written from the protocol description, not from the codec: it shares no code with it.
 */
import { Buffer } from 'node:buffer';

export const octets = (text: string): Buffer => Buffer.from(text, 'latin1');

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** One packet: the code's letter and the payload, text being latin1. */
export function packet(code: string, payload: string | Uint8Array = ''): Buffer {
  const bytes = typeof payload === 'string' ? octets(payload) : payload;
  return Buffer.concat([u32(bytes.length + 1), octets(code), bytes]);
}

const strings = (...texts: readonly string[]): string => texts.map((text) => `${text}\0`).join('');

/** Offers as Postfix 3.7 makes them, unless told otherwise. */
export const offer = (version = 6, actions = 0x1ff, protocol = 0x1fffff): Buffer =>
  packet('O', Buffer.concat([u32(version), u32(actions), u32(protocol)]));
export const macros = (code: string, ...pairs: readonly string[]): Buffer => packet('D', code + strings(...pairs));
export const connect = (address = '192.0.2.9', family = '4', hostname = `[${address}]`): Buffer =>
  packet('C', `${strings(hostname)}${family}\x04\xd2${strings(address)}`);
export const helo = (name = 'client.example'): Buffer => packet('H', strings(name));
export const mail = (path: string, ...args: readonly string[]): Buffer => packet('M', strings(path, ...args));
export const rcpt = (path: string, ...args: readonly string[]): Buffer => packet('R', strings(path, ...args));
export const data = packet('T');
export const header = (name: string, value: string): Buffer => packet('L', strings(name, value));
export const endOfHeaders = packet('N');
export const body = (bytes: string | Uint8Array): Buffer => packet('B', bytes);
export const endOfMessage = packet('E');
export const abort = packet('A');
export const unknown = (command: string): Buffer => packet('U', strings(command));
export const quit = packet('Q');
export const quitNewConnection = packet('K');

/** The packets of an answer; throws if it is not whole packets. */
export function packets(bytes: Uint8Array): { code: string; payload: Buffer }[] {
  const all = Buffer.from(bytes);
  const found: { code: string; payload: Buffer }[] = [];
  for (let at = 0; at < all.length;) {
    const end = at + 4 + all.readUInt32BE(at);
    if (end > all.length || end === at + 4) throw new Error('not whole packets');
    found.push({ code: all.toString('latin1', at + 4, at + 5), payload: all.subarray(at + 5, end) });
    at = end;
  }
  return found;
}

/** What an answer says, with indexes as numbers and strings without their NUL: `['h', 'X-A', ' v']`, `['c']`. */
export function read(bytes: Uint8Array): (string | number)[][] {
  return packets(bytes).map(({ code, payload }) => {
    if (code === 'b') return [code, payload.toString('latin1')];
    const hasIndex = code === 'i' || code === 'm';
    const index = hasIndex ? [payload.readUInt32BE(0)] : [];
    const text = payload.toString('latin1', hasIndex ? 4 : 0);
    if (text === '') return [code, ...index];
    if (!text.endsWith('\0')) throw new Error(`no NUL at the end of ${code}`);
    return [code, ...index, ...text.slice(0, -1).split('\0')];
  });
}

/**
 * The fields after an answer, as `[name, text after the colon]`. CHGHEADER counts the fields of its name at that moment,
 * and the space after the colon is the MTA's unless HDR_LEADSPC was agreed on.
 */
export function applyHeaderChanges(
  fields: readonly (readonly [string, string])[],
  answer: Uint8Array,
  hasLeadingSpace: boolean,
): [string, string][] {
  const result = fields.map(([name, text]): [string, string] => [name, text]);
  const written = (value: string): string => (hasLeadingSpace ? value : ` ${value}`);
  for (const [code, ...rest] of read(answer)) {
    if (code === 'h') {
      const [name, value] = rest as [string, string];
      result.push([name, written(value)]);
    } else if (code === 'i') {
      const [index, name, value] = rest as [number, string, string];
      result.splice(index, 0, [name, written(value)]);
    } else if (code === 'm') {
      const [index, name, value] = rest as [number, string, string];
      const places = result.flatMap((field, at) => (field[0].toLowerCase() === name.toLowerCase() ? [at] : []));
      const place = places[Math.max(1, index) - 1];
      if (place === undefined) {
        if (value !== '') result.push([name, written(value)]);
      } else if (value === '') result.splice(place, 1);
      else result[place] = [name, written(value)];
    }
  }
  return result;
}

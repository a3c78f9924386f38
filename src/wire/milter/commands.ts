/**
 * What the payload of a command says.
 * Never judges whether the command may come now, and never changes an octet: text is latin1, one character per octet
 * (`Buffer.from(text, 'latin1')` gives the octets back), and body chunks stay buffers.
 * Source: libmilter, mfdef.h (payloads), engine.c (leniency).
 */
import type { Buffer } from 'node:buffer';
import { SMFIC } from './constants.ts';

/**
 * The SMTP client. `address` is an IP address without `IPv6:` prefix and brackets, or the path of a unix socket; `port`
 * 0 is unknown. With family `unknown` the MTA says nothing more. `hostname` is `[192.0.2.1]` where no name is verified.
 * Mail given to sendmail(1) comes as `localhost`, inet, port 0, `127.0.0.1`.
 */
export type ConnectCommand = { readonly kind: 'connect'; readonly hostname: string } & (
  | { readonly family: 'inet' | 'inet6' | 'unix'; readonly address: string; readonly port: number }
  | { readonly family: 'unknown' }
);

/** The name of HELO and EHLO alike. */
export type HeloCommand = { readonly kind: 'helo'; readonly name: string };

/**
 * `sender` is without angle brackets and empty for the null sender; mail from sendmail(1) has none (`isBracketed`).
 * `args`: ESMTP parameters (`SIZE=300`) as the client spelled them.
 */
export type MailCommand = {
  readonly kind: 'mail';
  readonly sender: string;
  readonly isBracketed: boolean;
  readonly args: readonly string[];
};

/** As MailCommand, of one recipient. */
export type RcptCommand = {
  readonly kind: 'rcpt';
  readonly recipient: string;
  readonly isBracketed: boolean;
  readonly args: readonly string[];
};

/** One field. `value` as the MTA sent it: folds are a bare LF and the white space after it. */
export type HeaderCommand = { readonly kind: 'header'; readonly name: string; readonly value: string };

/** A part of the body, cut anywhere, line ends CRLF. Its memory is that of the received chunk, or its own. */
export type BodyCommand = { readonly kind: 'body'; readonly chunk: Buffer };

/** An SMTP command the MTA does not know; from Postfix 3.7 its first word only. */
export type UnknownCommand = { readonly kind: 'unknown'; readonly command: string };

/** A command without a payload. The chunk that BODYEOB can have is a body event of its own, which the session makes. */
export type PlainCommand = { readonly kind: 'data' | 'endOfHeaders' | 'endOfMessage' };

/** A command that belongs to a level of macros: all but OPTNEG, MACRO, ABORT, QUIT and QUIT_NC. */
export type Command =
  | ConnectCommand
  | HeloCommand
  | MailCommand
  | RcptCommand
  | HeaderCommand
  | BodyCommand
  | UnknownCommand
  | PlainCommand;

/** What the MTA offers: its version, actions and protocol flags. */
export type Offer = { readonly version: number; readonly actions: number; readonly protocol: number };

/** The payload of a command of the given code, or undefined if it is cut short, lacks a NUL or the code is unknown. */
export function decodeCommand(code: number, bytes: Buffer, start: number, end: number): Command | undefined {
  switch (code) {
    case SMFIC.CONNECT:
      return decodeConnect(bytes.toString('latin1', start, end));
    case SMFIC.HELO: {
      const name = onlyString(bytes.toString('latin1', start, end));
      return name === undefined ? undefined : { kind: 'helo', name };
    }
    case SMFIC.MAIL: {
      const path = decodePath(bytes.toString('latin1', start, end));
      if (path === undefined) return undefined;
      return { kind: 'mail', sender: path.address, isBracketed: path.isBracketed, args: path.args };
    }
    case SMFIC.RCPT: {
      const path = decodePath(bytes.toString('latin1', start, end));
      if (path === undefined) return undefined;
      return { kind: 'rcpt', recipient: path.address, isBracketed: path.isBracketed, args: path.args };
    }
    case SMFIC.DATA:
      return { kind: 'data' };
    case SMFIC.HEADER:
      return decodeHeader(bytes.toString('latin1', start, end));
    case SMFIC.EOH:
      return { kind: 'endOfHeaders' };
    case SMFIC.BODY:
      return { kind: 'body', chunk: bytes.subarray(start, end) };
    case SMFIC.BODYEOB:
      return { kind: 'endOfMessage' };
    case SMFIC.UNKNOWN: {
      const command = onlyString(bytes.toString('latin1', start, end));
      return command === undefined ? undefined : { kind: 'unknown', command };
    }
    default:
      return undefined;
  }
}

/** The offer of an OPTNEG, or undefined if it is cut short. What follows the three numbers is not looked at. */
export function decodeOffer(bytes: Buffer, start: number, end: number): Offer | undefined {
  if (end - start < 12) return undefined;
  return {
    version: bytes.readUInt32BE(start),
    actions: bytes.readUInt32BE(start + 4),
    protocol: bytes.readUInt32BE(start + 8),
  };
}

/** The strings of a payload, each ended by a NUL, or undefined if the last one is not. No payload is no string. */
export function stringsOf(text: string): string[] | undefined {
  if (text === '') return [];
  return text.endsWith('\0') ? text.slice(0, -1).split('\0') : undefined;
}

function onlyString(text: string): string | undefined {
  const end = text.indexOf('\0');
  return end !== -1 && end === text.length - 1 ? text.slice(0, end) : undefined;
}

function decodeHeader(text: string): HeaderCommand | undefined {
  const nameEnd = text.indexOf('\0');
  if (nameEnd === -1 || text.indexOf('\0', nameEnd + 1) !== text.length - 1) return undefined;
  return { kind: 'header', name: text.slice(0, nameEnd), value: text.slice(nameEnd + 1, -1) };
}

function decodePath(
  text: string,
): { readonly address: string; readonly isBracketed: boolean; readonly args: readonly string[] } | undefined {
  const [path, ...args] = stringsOf(text) ?? [];
  if (path === undefined) return undefined;
  const isBracketed = path.length > 1 && path.startsWith('<') && path.endsWith('>');
  return { address: isBracketed ? path.slice(1, -1) : path, isBracketed, args };
}

const FAMILIES: Readonly<Partial<Record<string, 'inet' | 'inet6' | 'unix'>>> = { 4: 'inet', 6: 'inet6', L: 'unix' };

function decodeConnect(text: string): ConnectCommand | undefined {
  const hostEnd = text.indexOf('\0');
  if (hostEnd === -1) return undefined;
  const hostname = text.slice(0, hostEnd);
  const letter = text.charAt(hostEnd + 1);
  if (letter === 'U') return { kind: 'connect', hostname, family: 'unknown' };
  const family = FAMILIES[letter];
  if (family === undefined) return undefined;
  const address = onlyString(text.slice(hostEnd + 4));
  if (address === undefined) return undefined;
  const port = text.charCodeAt(hostEnd + 2) * 256 + text.charCodeAt(hostEnd + 3);
  return { kind: 'connect', hostname, family, address: family === 'unix' ? address : bareAddress(address), port };
}

/** Sendmail writes `IPv6:2001:db8::1`, Postfix `2001:db8::1`. */
function bareAddress(address: string): string {
  const inner = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address;
  return inner.slice(0, 5).toLowerCase() === 'ipv6:' ? inner.slice(5) : inner;
}

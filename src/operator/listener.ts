/** Where a door listens: `host:port`, `[v6]:port` or `unix:/path`. Source: product manual, `postern.yaml`. */
import { fail, ok, parseDomain, parseIpAddress, type Result } from '../mail/index.ts';

/** A place to listen. `path` is absolute once the operator's file has been resolved. */
export type Listener =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** The longest path that a unix socket may have on Linux, in octets, without its final NUL. Source: unix(7). */
const MAX_SOCKET_PATH = 107;

/** Reads a listener. Errors: a sentence fragment that says what is wrong. */
export function parseListener(text: string): Result<Listener, string> {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (path === '') return fail('names no path; write unix:/var/spool/postfix/postern/policy.sock');
    if (path.includes('\0')) return fail('has a path with a NUL octet, which no file has');
    const octets = new TextEncoder().encode(path).length;
    if (octets <= MAX_SOCKET_PATH) return ok({ kind: 'unix', path });
    return fail(`has a path of ${octets} octets, and unix sockets allow ${MAX_SOCKET_PATH}; choose a shorter one`);
  }
  const place = splitHostPort(text);
  if (place === null || place.port === null) {
    return fail(`"${text}" is no place to listen; write 127.0.0.1:10040, [::1]:10040 or unix:/path`);
  }
  const { host, port, isBracketed } = place;
  if (!isBracketed && parseIpAddress(host) === null && !parseDomain(host).ok) {
    return fail(`"${text}" has no usable host; write 127.0.0.1:10040, [::1]:10040 or unix:/path`);
  }
  if (port < 1 || port > 65_535) return fail(`"${text}" has port ${port}; ports go from 1 to 65535`);
  return ok({ kind: 'tcp', host, port });
}

/** Reads the address of a DNS server, with or without a port. Errors: a sentence fragment that says what is wrong. */
export function checkDnsServer(text: string): string | null {
  const example = 'write an address such as 127.0.0.1, 127.0.0.1:53 or [::1]:53';
  if (parseIpAddress(text) !== null) return null;
  const place = splitHostPort(text);
  if (place === null || parseIpAddress(place.host) === null)
    return `"${text}" is no address of a DNS server; ${example}`;
  const isPort = place.port === null || (place.port >= 1 && place.port <= 65_535);
  return isPort ? null : `"${text}" has a port that is not from 1 to 65535; ${example}`;
}

type HostPort = { readonly host: string; readonly port: number | null; readonly isBracketed: boolean };

/** `host:port`, `[v6]:port` or `[v6]`; null for anything else. Brackets hold an IPv6 address only. */
function splitHostPort(text: string): HostPort | null {
  const match = /^(?:\[([^\]]*)\](?::([0-9]{1,5}))?|([^:[\]]*):([0-9]{1,5}))$/.exec(text);
  if (match === null) return null;
  const [, v6, v6Port, name = '', namePort] = match;
  const port = v6Port ?? namePort;
  const isBracketed = v6 !== undefined;
  const host = v6 ?? name;
  if (isBracketed && (!host.includes(':') || parseIpAddress(host) === null)) return null;
  return { host, port: port === undefined ? null : Number(port), isBracketed };
}

/** The listener as the operator writes it. */
export function formatListener(listener: Listener): string {
  if (listener.kind === 'unix') return `unix:${listener.path}`;
  return listener.host.includes(':') ? `[${listener.host}]:${listener.port}` : `${listener.host}:${listener.port}`;
}

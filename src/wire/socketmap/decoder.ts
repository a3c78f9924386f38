/**
 * Which table look-ups a byte stream asks for.
 * Never judges a map name or a key.
 * Source: Postfix socketmap_table(5), "REQUEST FORMAT".
 */
import { isUtf8 } from 'node:buffer';
import { NetstringDecoder } from '../netstring/index.ts';
import type { NetstringEvent } from '../netstring/index.ts';
import { PeerProtocolError } from '../protocol-error.ts';

/**
 * What the decoder found. `map` is what stands before the first space, `key` all that follows it: the key may be empty
 * and may hold spaces. Octets that are not valid UTF-8 become one character each. A fault is the last event of a connection.
 */
export type SocketmapEvent =
  | { readonly kind: 'query'; readonly map: string; readonly key: string }
  | { readonly kind: 'fault'; readonly error: PeerProtocolError };

/** `maxQueryBytes`: the longest query in octets, without its netstring frame; 100,000 when absent. */
export type SocketmapDecoderLimits = { readonly maxQueryBytes?: number };

/**
 * Decoder of one connection.
 * Errors: none are thrown; `fault` codes are `query-without-space` and those of `NetstringDecoder`.
 * Source: Postfix socketmap_table(5).
 */
export class SocketmapDecoder {
  #netstrings: NetstringDecoder;
  #hasFailed = false;

  constructor(limits: SocketmapDecoderLimits = {}) {
    this.#netstrings = new NetstringDecoder(
      limits.maxQueryBytes === undefined ? {} : { maxPayloadBytes: limits.maxQueryBytes },
    );
  }

  /** Whether no part of a query is waiting for its rest. */
  get isIdle(): boolean {
    return this.#netstrings.isIdle;
  }

  /** Octets kept of an unfinished query; never above `maxQueryBytes`. */
  get bufferedBytes(): number {
    return this.#netstrings.bufferedBytes;
  }

  /** Takes what the socket gave and returns what it completed. After a fault everything is ignored. */
  receive(chunk: Uint8Array): readonly SocketmapEvent[] {
    const events: SocketmapEvent[] = [];
    if (this.#hasFailed) return events;
    for (const event of this.#netstrings.receive(chunk)) {
      const query = event.kind === 'payload' ? readQuery(event) : event;
      events.push(query);
      if (query.kind === 'fault') {
        this.#hasFailed = true;
        // Nothing of what follows a bad query is wanted any more.
        this.#netstrings = new NetstringDecoder();
        break;
      }
    }
    return events;
  }
}

function readQuery({ payload, offset }: NetstringEvent & { kind: 'payload' }): SocketmapEvent {
  const text = payload.toString(isUtf8(payload) ? 'utf8' : 'latin1');
  const space = text.indexOf(' ');
  if (space === -1) {
    const fault = { code: 'query-without-space', protocol: 'Postfix socketmap_table(5)', offset };
    return { kind: 'fault', error: new PeerProtocolError('no space after the map name of a socketmap query', fault) };
  }
  return { kind: 'query', map: text.slice(0, space), key: text.slice(space + 1) };
}

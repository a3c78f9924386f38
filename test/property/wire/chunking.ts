import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { expect } from 'vitest';
import { PeerProtocolError } from '../../../src/wire/protocol-error.ts';

/** A decoder as every text codec here has it. */
type Decoder = {
  receive(chunk: Uint8Array): readonly object[];
  readonly bufferedBytes: number;
  readonly isIdle: boolean;
};

/** A stream and the places where it is cut; now and then octet by octet. */
export const cut = (stream: fc.Arbitrary<Buffer>): fc.Arbitrary<{ stream: Buffer; cuts: number[] }> =>
  stream.chain((bytes) =>
    fc.record({
      stream: fc.constant(bytes),
      cuts: fc.oneof(
        fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 }),
        fc.constant(Array.from({ length: bytes.length }, (_, at) => at)),
      ),
    }),
  );

/** The events of a stream with PeerProtocolError as its fault; checks the limit after every chunk. */
export function events(decoder: Decoder, stream: Buffer, cuts: readonly number[], limit: number): object[] {
  const found: object[] = [];
  let from = 0;
  for (const to of [...cuts.toSorted((a, b) => a - b), stream.length]) {
    // A chunk of its own memory, spoilt afterwards: what is kept must be a copy.
    const chunk = Buffer.from(stream.subarray(from, to));
    for (const event of decoder.receive(chunk)) found.push(frozen(event));
    chunk.fill(0x21);
    expect(decoder.bufferedBytes).toBeLessThanOrEqual(limit);
    from = to;
  }
  return [...found, { isIdle: decoder.isIdle, bufferedBytes: decoder.bufferedBytes }];
}

function frozen(event: object): object {
  if ('error' in event) {
    expect(event.error).toBeInstanceOf(PeerProtocolError);
    return { fault: (event.error as PeerProtocolError).fault };
  }
  if ('payload' in event) return { ...event, payload: Buffer.from(event.payload as Buffer) };
  return event;
}

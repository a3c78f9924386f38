/**
 * A decision about a message as milter modifications, in the order that leaves what was decided: deletions per name
 * from the last to the first, then insertions at the top, the topmost last.
 * Source: Postfix cleanup_milter.c (indexes), RFC 8601 §5 (results on top).
 */
import type { HeaderField } from '../decide/index.ts';
import { orderHeaderDeletions, type Modification } from '../wire/milter/index.ts';

/** `removed` are positions in `headers`; `added` is topmost first; `signatures` go below them. */
export function renderMilterChanges(
  headers: readonly HeaderField[],
  removed: readonly number[],
  added: readonly HeaderField[],
  signatures: readonly string[],
): Modification[] {
  const onTop = [...added, ...signatures.map((value) => ({ name: 'DKIM-Signature', value }))];
  return [
    ...orderHeaderDeletions(placesOf(headers, removed)),
    ...onTop.reverse().map(({ name, value }): Modification => ({ kind: 'insertHeader', index: 0, name, value })),
  ];
}

/** Positions in the message as the protocol counts: from 1 among the fields of one name, without case. */
function placesOf(headers: readonly HeaderField[], removed: readonly number[]): { name: string; index: number }[] {
  const wanted = new Set(removed);
  const count = new Map<string, number>();
  return headers.flatMap(({ name }, position) => {
    const key = name.toLowerCase();
    const index = (count.get(key) ?? 0) + 1;
    count.set(key, index);
    return wanted.has(position) ? [{ name, index }] : [];
  });
}

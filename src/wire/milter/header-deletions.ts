/**
 * In which order header fields are deleted.
 * Never decides which.
 * Source: libmilter, smfi_chgheader: the index counts the fields of that name.
 */
import type { Modification } from './modifications.ts';

/** The place of a field: `index` counts from 1 among the fields of that name, upper and lower case being the same. */
export type HeaderPlace = { readonly name: string; readonly index: number };

/**
 * Deletions of these fields, each once, for each name from the highest index down, since some MTAs count again after
 * each deletion. Names come in the order of their first place. In a list of modifications they stand before additions.
 */
export function orderHeaderDeletions(places: readonly HeaderPlace[]): readonly Modification[] {
  const groups = Map.groupBy(places, (place) => place.name.toLowerCase());
  return Array.from(groups.values()).flatMap((group) =>
    group
      .toSorted((a, b) => b.index - a.index)
      .filter((place, at, sorted) => place.index !== sorted[at - 1]?.index)
      .map(({ name, index }) => ({ kind: 'deleteHeader', name, index })),
  );
}

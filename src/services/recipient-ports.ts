/** What finding recipients needs of the outside world. */
import type { MapAnswer } from '../decide/index.ts';

/** Postfix's maps. Never throws: what fails is the answer. Source: postmap(1) -q. */
export type RecipientMaps = {
  /** Whether a map, such as `hash:/etc/postfix/virtual`, has one of these names. */
  find(map: string, names: readonly string[]): Promise<MapAnswer>;
};

/** Maps where no Postfix is at hand. */
export const NO_RECIPIENT_MAPS: RecipientMaps = {
  find: () => Promise.resolve({ unreadable: 'there is no Postfix at hand to ask it by' }),
};

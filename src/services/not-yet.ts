/**
 * Settings that are checked and kept, but on which this version does not act: an administrator must not believe that
 * they do. Each goes when its feature comes.
 */
import type { SettingsIssue } from '../settings/index.ts';
import type { Snapshot } from '../snapshot/index.ts';

/** One warning for each setting that does not act yet. */
export const settingsNotActing = (snapshot: Snapshot | null): SettingsIssue[] =>
  snapshot === null ? [] : tlsWithoutAnswer(snapshot);

/** Outgoing TLS policies on which own domains differ get no answer yet: mail to those peers may leave in clear. */
function tlsWithoutAnswer({ domains, tlsAgreed }: Snapshot): SettingsIssue[] {
  return [...domains.values()].flatMap(({ enforcement, tlsOutgoing }) =>
    [...tlsOutgoing].flatMap(([peer, { pointer }]): SettingsIssue[] => {
      if (enforcement === 'observe' || tlsAgreed.has(peer)) return [];
      const why = `own domains differ on ${peer}, and this version acts only where all agree: mail to it may leave in clear`;
      return [
        { severity: 'warning', pointer, message: `does not act: ${why}; give every own domain the same policy for it` },
      ];
    }),
  );
}

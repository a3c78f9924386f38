/**
 * Settings that are checked and kept, but on which this version does not act: an administrator must not believe that
 * they do. Each goes when its feature comes.
 */
import { ownDomains, type Settings, type SettingsIssue } from '../settings/index.ts';
import { dependsOnWhoExists, type Snapshot } from '../snapshot/index.ts';

/** One warning for each setting that does not act yet. */
export function settingsNotActing(settings: Settings, snapshot: Snapshot | null): SettingsIssue[] {
  const issues: SettingsIssue[] = [];
  const warn = (pointer: string): void => {
    const message = 'is checked and kept, but this version does not act on it yet';
    issues.push({ severity: 'warning', pointer, message });
  };
  for (const { own } of ownDomains(settings)) {
    const gateway = own.inboundGateway;
    const unclear = own.inboundRouting.findIndex((rule) => dependsOnWhoExists(own, rule));
    if (own.recipients !== undefined) warn(`${own.pointer}/recipients`);
    if (gateway?.internalThroughGateway !== undefined) warn(`${own.pointer}/inboundGateway/internalThroughGateway`);
    // From the first rule on that tells existing recipients from missing ones: a later one may be for fewer.
    own.inboundRouting.forEach((_, index) => {
      if (unclear >= 0 && index >= unclear) warn(`${own.pointer}/inboundRouting/${index}`);
    });
  }
  return snapshot === null ? issues : [...issues, ...tlsWithoutAnswer(snapshot)];
}

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

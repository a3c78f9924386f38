/**
 * Settings that are checked and kept, but on which this version does not act: an administrator must not believe that
 * they do. Each goes when its feature comes.
 */
import { ownDomains, type Settings, type SettingsIssue } from '../settings/index.ts';

/** One warning for each setting that does not act yet. */
export function settingsNotActing(settings: Settings): SettingsIssue[] {
  const issues: SettingsIssue[] = [];
  const warn = (pointer: string): void => {
    const message = 'is checked and kept, but this version does not act on it yet';
    issues.push({ severity: 'warning', pointer, message });
  };
  for (const { own } of ownDomains(settings)) {
    const gateway = own.inboundGateway;
    if (own.recipients !== undefined) warn(`${own.pointer}/recipients`);
    if (own.autoBlock !== undefined) warn(`${own.pointer}/autoBlock`);
    if (gateway?.internalThroughGateway !== undefined) warn(`${own.pointer}/inboundGateway/internalThroughGateway`);
    if (gateway?.spamPattern !== undefined) warn(`${own.pointer}/inboundGateway/spamPattern`);
    if (gateway?.skipSpamFilter === true) warn(`${own.pointer}/inboundGateway/skipSpamFilter`);
    if (own.inboundRouting.length > 0) warn(`${own.pointer}/inboundRouting`);
    if (own.outboundRouting.length > 0) warn(`${own.pointer}/outboundRouting`);
    if (own.dkim !== undefined) warn(`${own.pointer}/dkim`);
  }
  return issues;
}

/** Patterns: whether they are good, asked of the engine that will run them (which this folder does not carry). */
import type { Draft } from '../draft.ts';
import type { Issues } from '../issue.ts';

/** What is wrong with a pattern, as a sentence fragment; null where it is good. */
export type PatternCheck = (pattern: string) => string | null;

/** Checks the spam patterns of the inbound gateways. */
export function checkPatterns(draft: Draft, issues: Issues, check: PatternCheck): void {
  for (const { domains } of draft.organizations) {
    for (const { path, settings } of domains) {
      const pattern = settings.inboundGateway?.spamPattern;
      const fault = pattern === undefined ? null : check(pattern);
      if (fault !== null) issues.error([...path, 'inboundGateway', 'spamPattern'], fault);
    }
  }
}

/** Decisions for tests of history. */
import type { HistoryAddition, HistoryLoss, HistoryMeters, HistoryRecord } from '../../src/services/index.ts';

export const NOON = Date.UTC(2027, 0, 31, 12);

/** A refusal of a blocked address, but for what is given. */
export const aRecord = (given: Partial<HistoryRecord> = {}): HistoryRecord => ({
  at: NOON,
  stage: 'rcpt',
  queueId: null,
  instance: '4711.65a1b2c3.d4e5.0',
  clientAddress: '192.0.2.66',
  trueClient: null,
  saslUsername: null,
  sender: 'stranger@remote.example',
  recipients: ['anna@example.com'],
  domains: ['example.com'],
  verdict: 'reject',
  observed: null,
  reply: '550 5.7.1 Client address blocked by receiving domain policy',
  rule: 'ip-block',
  setting: '/organizations/acme/domains/example.com/blockedIps/0',
  text: '192.0.2.66 is blocked by 192.0.2.66',
  revision: '0123456789ab',
  ...given,
});

/** The same with the entries that were met. */
export const anAddition = ({ hits = [], ...given }: Partial<HistoryAddition> = {}): HistoryAddition => ({
  ...aRecord(given),
  hits,
});

/** The same many times, told apart by recipient: r0@…, r1@… */
export const additions = (count: number, given: Partial<HistoryAddition> = {}, from = 0): HistoryAddition[] =>
  Array.from({ length: count }, (_, n) => anAddition({ recipients: [`r${from + n}@example.com`], ...given }));

/** What was counted as lost. */
export class FakeHistoryMeters implements HistoryMeters {
  readonly lost: Record<HistoryLoss, number> = { queue_full: 0, not_written: 0, not_made: 0 };
  countHistoryDropped(decisions: number, why: HistoryLoss): void {
    this.lost[why] += decisions;
  }
  get total(): number {
    return Object.values(this.lost).reduce((sum, each) => sum + each, 0);
  }
}

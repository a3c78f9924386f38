/** A milter door on a real socket, with a real key store behind it, for tests of one thing each. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createKeyFiles } from '../../../src/adapters/key-files/index.ts';
import { openMilterDoor, type MilterDoorOptions } from '../../../src/adapters/milter-server/index.ts';
import type { PrometheusMeters } from '../../../src/adapters/metrics/index.ts';
import type { OpenDoor } from '../../../src/adapters/socket/index.ts';
import {
  createDkimKeys,
  createMessageJudge,
  createSigner,
  type KeyFacts,
  type SpamPatterns,
} from '../../../src/services/index.ts';
import { withSigningKeys, type Snapshot } from '../../../src/snapshot/index.ts';
import { aDomain, aSnapshot, withDomain, type Around } from '../../support/builders.ts';
import { MilterClient, type Place } from '../../support/milter-client.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { anyPort, KeptLog, metersForTest, ownGroup } from '../adapters/peers.ts';

export type Ground = {
  readonly door: OpenDoor;
  readonly place: Place;
  readonly log: KeptLog;
  readonly meters: PrometheusMeters;
  readonly key: KeyFacts;
  /** The snapshot that the next message gets. */
  current: Snapshot;
  readonly open: (client?: Parameters<typeof MilterClient.open>[1]) => Promise<MilterClient>;
  /** The decision lines so far. */
  readonly decisions: () => Readonly<Record<string, unknown>>[];
};

export type GroundOptions = Partial<Pick<MilterDoorOptions, 'judge' | 'signer' | 'onUnknownRecipient'>> & {
  readonly document?: unknown;
  readonly around?: Around;
  readonly spamPatterns?: SpamPatterns;
  readonly over?: 'unix' | 'tcp';
  readonly key?: 'rsa' | 'ed25519';
};

/** Opens a door for example.com, which has one active key, `s1`. */
export async function milterGround(options: GroundOptions = {}): Promise<Ground> {
  const directory = await temporaryDirectory();
  const vault = createKeyFiles(join(directory, 'state'));
  const keys = createDkimKeys(vault, { txt: () => Promise.resolve({ kind: 'no-such-name' }) }, { now: Date.now });
  const kind =
    options.key === 'rsa'
      ? ({ algorithm: 'rsa-sha256', bits: 2048 } as const)
      : ({ algorithm: 'ed25519-sha256' } as const);
  const key = await keys.create(aDomain('example.com'), 's1', kind, 'test');
  const [log, meters] = [new KeptLog(), metersForTest()];
  const { document = withDomain({}), over = 'unix', around = {} } = options;
  const self = { current: withSigningKeys(aSnapshot(document, around), [key]) };
  const door = await openMilterDoor({
    listener: over === 'tcp' ? anyPort : { kind: 'unix', path: join(directory, 'milter.sock') },
    unix: ownGroup,
    log,
    meters,
    judge: createMessageJudge(
      { now: Date.now },
      log,
      meters,
      options.spamPatterns === undefined ? {} : { spamPatterns: options.spamPatterns },
    ),
    signer: createSigner(vault, { now: Date.now }),
    current: () => self.current,
    ...(options.judge !== undefined && { judge: options.judge }),
    ...(options.signer !== undefined && { signer: options.signer }),
    ...(options.onUnknownRecipient !== undefined && { onUnknownRecipient: options.onUnknownRecipient }),
  });
  onTestFinished(() => door.close(0));
  return Object.assign(self, {
    door,
    place: door.listener,
    log,
    meters,
    key,
    open: async (client: Parameters<typeof MilterClient.open>[1] = {}) => {
      const opened = await MilterClient.open(door.listener, client);
      onTestFinished(() => {
        opened.close();
      });
      return opened;
    },
    decisions: () => log.lines.filter(({ message }) => message === 'decision').map(({ fields }) => fields),
  });
}

/** The values of the DKIM-Signature fields among delivered fields. */
export const signaturesOf = (fields: readonly string[]): string[] =>
  fields.filter((field) => field.startsWith('DKIM-Signature:')).map((field) => field.slice('DKIM-Signature:'.length));

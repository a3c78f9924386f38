/**
 * One policy server of the benchmark, in a process of its own: `postern ENTRIES OWN` is the real door with the real judge
 * and log on a list file of that many blocked entries, beside OWN allowed and OWN blocked entries of the settings; `bare` only parses the attributes and answers DUNNO.
 * Tells its port by a message to its parent, and then at each message the processor time that it has used.
 */
import { createServer, type AddressInfo } from 'node:net';
import { createLog } from '../src/adapters/log/index.ts';
import { createMeters } from '../src/adapters/metrics/index.ts';
import { openPolicyDoor } from '../src/adapters/policy-server/index.ts';
import { systemClock } from '../src/adapters/clock/index.ts';
import { parseDomain, parseIpListFile, parseIpRange, type IpRange } from '../src/mail/index.ts';
import { createJudge } from '../src/services/index.ts';
import { validate } from '../src/settings/index.ts';
import { compile, type RevisionId, type Snapshot } from '../src/snapshot/index.ts';

/** The own domains that the load asks about. */
export const ownDomains = Array.from({ length: 8 }, (_, n) => `d${n}.example`);

/** Every third address of 20.0.0.0 and up, so that the list cannot be merged into ranges. */
export const listedAddress = (n: number): string => {
  const value = 20 * 2 ** 24 + 3 * n;
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');
};

function must<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

/** An address of the settings: one of the allowed ones (`first` 10) or of the blocked ones (`first` 12). */
const ownAddress = (first: number, n: number): string =>
  [first, ((3 * n) >>> 16) & 255, ((3 * n) >>> 8) & 255, (3 * n) & 255].join('.');

function snapshotWith(entries: number, own: number): Snapshot {
  const listText = Array.from({ length: entries }, (_, n) => listedAddress(n)).join('\n');
  const allowedIps = Array.from({ length: own }, (_, n) => ownAddress(10, n));
  // A list file counts as one entry of the list that names it.
  const ownBlocked = Array.from({ length: Math.max(0, own - 1) }, (_, n) => ownAddress(12, n));
  const blockedIps = [...ownBlocked, { file: 'blocked.txt' }];
  const domains = Object.fromEntries(ownDomains.map((name) => [name, { allowedIps, blockedIps }]));
  const { settings, issues } = validate({
    version: 1,
    organizations: { acme: { primaryDomain: ownDomains[0], domains } },
  });
  if (settings === null) throw new Error(JSON.stringify(issues));
  const loopback: IpRange = must(parseIpRange('127.0.0.0/8'));
  return must(
    compile(
      settings,
      {
        lists: new Map([['blocked.txt', must(parseIpListFile(listText))]]),
        recipientLists: new Map(),
        smtpdListeners: [],
        localAddresses: [],
      },
      {
        trustedNetworks: [loopback],
        internalDomain: must(parseDomain('route.postern.internal')),
        reinjectionServices: [],
        authservId: 'mx.example',
        recipientDelimiter: '',
      },
      '0123456789ab' as RevisionId,
    ),
  );
}

async function servePostern(entries: number, own: number): Promise<number> {
  const log = createLog({ level: 'info' });
  const meters = createMeters(systemClock);
  const snapshot = snapshotWith(entries, own);
  const door = await openPolicyDoor({
    listener: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    unix: { mode: 0o660, group: null },
    judge: createJudge(() => snapshot, systemClock, log, meters),
    log,
    meters,
  });
  return door.listener.kind === 'tcp' ? door.listener.port : 0;
}

/** The least that a policy server in Node can do: every attribute split off and kept, one fixed answer. */
async function serveBare(): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => {
    let rest = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      rest += chunk.toString('latin1');
      let answers = '';
      for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
        const attributes = new Map<string, string>();
        for (const line of rest.slice(0, end).split('\n')) {
          const equals = line.indexOf('=');
          attributes.set(line.slice(0, equals), line.slice(equals + 1));
        }
        if (attributes.get('request') === 'smtpd_access_policy') answers += 'action=DUNNO\n\n';
        rest = rest.slice(end + 2);
      }
      if (answers !== '') socket.write(answers);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const [which, entries, own] = process.argv.slice(2);
if (which !== undefined && process.send !== undefined) {
  process.send(await (which === 'bare' ? serveBare() : servePostern(Number(entries), Number(own))));
  // Any message asks for the processor time used so far, in microseconds.
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  });
  process.on('disconnect', () => process.exit());
}

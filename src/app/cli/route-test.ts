/** `postern route test`: what the servers of a route say, and whether Postfix would deliver there. Sends no mail. */
import { hostname } from 'node:os';
import { createResolver } from '../../adapters/dns/index.ts';
import { probeServer, readTrustAnchors, type TrustAnchors } from '../../adapters/smtp-probe/index.ts';
import { formatIpAddress, parseIpAddress, type IpAddress } from '../../mail/index.ts';
import type { RouteSettings } from '../../settings/index.ts';
import { isOurAddress } from '../../snapshot/index.ts';
import { openWorkspace, ourselvesOf, type Workspace } from '../workspace.ts';
import { readGoodRoute } from './route-users.ts';
import { EXIT, say, sayJson } from './output.ts';
import { describeServer, describeVerdict, offersOf, serverJson, type TriedServer } from './route-test-words.ts';
import { judgeServer, type Sender } from './route-verdict.ts';

type Options = { readonly config?: string; readonly json?: true; readonly organization?: string };

/** How long DNS may take for all its answers. */
const DNS_MS = 8000;
/** Postfix's own defaults. Source: postconf(5) smtp_mx_address_limit, smtp_mx_session_limit. */
const MX_LIMITS = { addressLimit: 5, sessionLimit: 2 };

/** Tries a route; sets the exit code. Errors: PosternError, UsageError. */
export async function testRoute(name: string, options: Options): Promise<void> {
  const workspace = await openWorkspace(options.config);
  const found = await readGoodRoute(workspace, name, options.organization);
  if (found === null) return;
  const { route, organization } = found;
  const anchors = await anchorsFor(workspace);
  const sender = senderOf(workspace, anchors);
  const looked = await lookUp(route, workspace);
  const servers = 'fault' in looked ? [] : await tryServers(route, looked.servers, workspace, anchors, sender);
  const last = servers.at(-1);
  const delivers = last?.verdict.delivers ?? false;
  const reason = 'fault' in looked ? looked.fault : (last?.verdict.reason ?? 'no server was tried');
  const offers = last === undefined ? null : offersOf(last);
  const { host, port, mx, tls } = route;
  process.exitCode = delivers ? EXIT.ok : EXIT.refused;
  if (options.json) {
    const about = { organization, name, host, port, mx, tls };
    sayJson({ ...about, delivers, reason, offers, servers: servers.map(serverJson), notes: anchors.faults });
    return;
  }
  const followed = mx ? ', by its MX records' : '';
  say(`route ${name} of ${organization}: ${host} port ${port}${followed}, tls ${tls}`);
  for (const server of servers) say(describeServer(server, port, anchors.shown.source).join('\n'));
  for (const fault of anchors.faults) say(`note: ${fault}`);
  say(describeVerdict({ delivers, reason, offers }).join('\n'));
}

type Candidate = { readonly host: string | null; readonly address: IpAddress };

/** The addresses that Postfix would try, in its order. */
async function lookUp(
  { host, mx }: RouteSettings,
  { operator, postfix }: Workspace,
): Promise<{ readonly servers: readonly Candidate[] } | { readonly fault: string }> {
  const literal = parseIpAddress(host);
  if (literal !== null) return { servers: [{ host: null, address: literal }] };
  const resolver = createResolver(operator.dns?.servers);
  const found: Candidate[] = [];
  if (mx) {
    const answer = await resolver.mailHosts(host, DNS_MS);
    if (answer.kind === 'unknown') return { fault: `DNS did not tell the MX of ${host} (${answer.code})` };
    if (!('hosts' in answer)) {
      const takesNone = `${host} takes no mail: its MX record says so`;
      return { fault: answer.kind === 'null-mx' ? takesNone : `DNS has neither an MX nor an address of ${host}` };
    }
    for (const { name, addresses } of answer.hosts) {
      found.push(...addresses.map((address) => ({ host: name, address })));
    }
  } else {
    const addresses = await resolver.addresses(host, false);
    if (addresses === null) return { fault: `DNS gives no address of ${host}: there is no such name, or no answer` };
    found.push(...addresses.map((address) => ({ host, address })));
  }
  const protocols = postfix?.smtpClient.protocols ?? ['all'];
  const isUsed = ({ address }: Candidate): boolean =>
    protocols.includes('all') || protocols.includes(`ipv${address.family}`);
  const servers = found.filter(isUsed);
  if (servers.length > 0) return { servers };
  const why =
    found.length === 0 ? 'its mail exchangers have no address' : 'inet_protocols of Postfix rules them all out';
  return { fault: `there is no address of ${host} to connect to: ${why}` };
}

/** Tries one after the other, as Postfix does, up to the first where it would deliver. */
async function tryServers(
  route: RouteSettings,
  candidates: readonly Candidate[],
  workspace: Workspace,
  { shown }: Anchors,
  sender: Sender,
): Promise<readonly TriedServer[]> {
  const { postfix } = workspace;
  const ourselves = ourselvesOf(postfix);
  const { addressLimit, sessionLimit } = postfix?.smtpClient ?? MX_LIMITS;
  const heloName = postfix?.smtpClient.heloName ?? hostname();
  const tried: TriedServer[] = [];
  let sessions = 0;
  for (const { host, address } of addressLimit > 0 ? candidates.slice(0, addressLimit) : candidates) {
    const text = formatIpAddress(address);
    if (isOurAddress(address, route.port, ourselves)) {
      // Postfix tries neither itself nor what DNS prefers less.
      tried.push({ host, address: text, probe: null, verdict: ITSELF });
      break;
    }
    const probe = await probeServer({ address: text, port: route.port, heloName, anchors: shown.certificates });
    const verdict = judgeServer(route, { host, probe }, sender);
    tried.push({ host, address: text, probe, verdict });
    if (probe.isConnected) sessions += 1;
    if (verdict.delivers || sessions === sessionLimit) break;
  }
  return tried;
}

const ITSELF = {
  delivers: false,
  level: '',
  reason: 'this Postfix itself listens there, so mail would go round in a circle; name the other server',
  comparedWith: null,
  matching: [],
} as const;

/** `own`: what Postfix trusts, or the system where there is no Postfix. `shown`: the same, or the system where that is nobody. */
type Anchors = { readonly own: TrustAnchors; readonly shown: TrustAnchors; readonly faults: readonly string[] };

async function anchorsFor({ postfix }: Workspace): Promise<Anchors> {
  const own = await readTrustAnchors(postfix?.smtpClient ?? null);
  const shown = own.source === '' ? await readTrustAnchors(null) : own;
  return { own, shown, faults: own.faults };
}

/** Without a Postfix at hand it is taken for one with the usual settings. */
function senderOf({ postfix }: Workspace, { own }: Anchors): Sender {
  if (postfix === null) {
    const usual = { ownLevel: 'may', hostname: null, hasDnssec: true, matchesManyLabels: true };
    return { ...usual, anchors: own.source };
  }
  const { tlsLevel, hasDnssec, matchesManyLabels } = postfix.smtpClient;
  return { ownLevel: tlsLevel, hostname: postfix.hostname, hasDnssec, matchesManyLabels, anchors: own.source };
}

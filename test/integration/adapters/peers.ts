/** Peers and witnesses of the doors under test: raw clients of both protocols, a log that is kept, a judge on real settings. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMeters, type PrometheusMeters } from '../../../src/adapters/metrics/index.ts';
import type { UnixSocketOptions } from '../../../src/adapters/socket/index.ts';
import { parseDomain, parseIpRange, type Domain } from '../../../src/mail/index.ts';
import type { Listener } from '../../../src/operator/index.ts';
import { createJudge, type Judge, type Log } from '../../../src/services/index.ts';
import { validate } from '../../../src/settings/index.ts';
import { compile, type RevisionId, type Snapshot } from '../../../src/snapshot/index.ts';
import { waitFor } from '../../support/waiting.ts';

/** Whether the long forms of the tests are wanted. */
export const isWholeProof = process.env.POSTERN_PROOF === 'whole';

export const anyPort: Listener = { kind: 'tcp', host: '127.0.0.1', port: 0 };
export const ownGroup: UnixSocketOptions = { mode: 0o660, group: null };

export interface LogLine {
  readonly level: keyof Log;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that keeps its lines. */
export class KeptLog implements Log {
  readonly lines: LogLine[] = [];
  debug(message: string, fields = {}): void {
    this.lines.push({ level: 'debug', message, fields });
  }
  info(message: string, fields = {}): void {
    this.lines.push({ level: 'info', message, fields });
  }
  warn(message: string, fields = {}): void {
    this.lines.push({ level: 'warn', message, fields });
  }
  error(message: string, fields = {}): void {
    this.lines.push({ level: 'error', message, fields });
  }
  at(level: keyof Log): LogLine[] {
    return this.lines.filter((line) => line.level === level);
  }
}

/** The samples of a metrics page, by their text up to the value: `postern_connections{door="policy"}`. */
export async function samplesOf(meters: PrometheusMeters): Promise<Map<string, number>> {
  return parseSamples((await meters.render()).body);
}

/** Reads the text format strictly: a line that is neither a comment nor a sample is an error. Source: Prometheus text format 0.0.4. */
export function parseSamples(page: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of page.split('\n')) {
    if (line === '' || /^# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* /.test(line)) continue;
    const match =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*"(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*")*\})?) (\S+)$/.exec(
        line,
      );
    const value = Number(match?.[2]);
    // Prometheus reads NaN in any case; prom-client writes "Nan" for a lag that was never measured.
    const isReadable = !Number.isNaN(value) || /^nan$/i.test(match?.[2] ?? '');
    if (match?.[1] === undefined || !isReadable) throw new Error(`not a sample: ${line}`);
    samples.set(match[1], value);
  }
  return samples;
}

export const metersForTest = (): PrometheusMeters => createMeters({ now: () => Date.now() });

/** A raw client: sends what it is told, keeps what comes. */
export class RawClient {
  readonly socket: Socket;
  #received: Buffer[] = [];
  /** Set when the server ended or reset the connection. */
  isEnded = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#received.push(chunk));
    socket.on('error', () => (this.isEnded = true));
    socket.on('end', () => (this.isEnded = true));
    socket.on('close', () => (this.isEnded = true));
  }

  static async open(listener: Listener): Promise<RawClient> {
    const where: NetConnectOpts =
      listener.kind === 'unix' ? { path: listener.path } : { host: listener.host, port: listener.port };
    // Half-open: that the server ends a connection must not end our side by itself.
    const socket = connect({ ...where, allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  get text(): string {
    return Buffer.concat(this.#received).toString();
  }

  /** The first `count` answers of the policy protocol since the last call, waiting for them. */
  async policyAnswers(count: number, timeoutMs = 10_000): Promise<string[]> {
    const answers = await waitFor(
      `${count} policy answers`,
      () => {
        const found = this.text.split('\n\n').slice(0, -1);
        return found.length >= count ? found : undefined;
      },
      timeoutMs,
      count > 1_000 ? 100 : 1,
    );
    this.#received = [];
    return answers;
  }

  /** Everything received once it is `length` octets long. */
  async receive(length: number): Promise<string> {
    const text = await waitFor(
      `${length} octets`,
      () => (this.text.length >= length ? this.text : undefined),
      10_000,
      1,
    );
    this.#received = [];
    return text;
  }

  async ended(): Promise<void> {
    await waitFor('the end of the connection', () => (this.isEnded ? true : undefined), 10_000, 5);
  }

  close(): void {
    this.socket.destroy();
  }
}

const attributeNames = [
  ...['protocol_name', 'client_address', 'client_name', 'client_port', 'reverse_client_name', 'server_address'],
  ...['server_port', 'helo_name', 'sender', 'recipient', 'recipient_count', 'queue_id', 'instance', 'size'],
  ...['etrn_domain', 'stress', 'sasl_method', 'sasl_username', 'sasl_sender', 'ccert_subject', 'ccert_issuer'],
  ...['ccert_fingerprint', 'ccert_pubkey_fingerprint', 'encryption_protocol', 'encryption_cipher'],
  ...['encryption_keysize', 'policy_context'],
];

const usual: Readonly<Record<string, string>> = {
  protocol_name: 'ESMTP',
  client_address: '203.0.113.9',
  client_name: 'mail.remote.example',
  client_port: '40123',
  reverse_client_name: 'mail.remote.example',
  server_address: '192.0.2.25',
  server_port: '25',
  helo_name: 'mail.remote.example',
  sender: 'stranger@remote.example',
  recipient: 'x@a.example',
  recipient_count: '0',
  instance: '1f3a.6a0c1234.56789.0',
  size: '0',
  encryption_keysize: '0',
};

/** A request with every name that Postfix 3.7 sends, in its order. */
export function policyRequest(
  attributes: Readonly<Record<string, string>> = {},
  state = 'RCPT',
  lineEnd = '\n',
): string {
  const values = { ...usual, ...attributes };
  const lines = ['request=smtpd_access_policy', `protocol_state=${state}`];
  for (const name of attributeNames) lines.push(`${name}=${values[name] ?? ''}`);
  return [...lines, '', ''].join(lineEnd);
}

const domain = (text: string): Domain => {
  const parsed = parseDomain(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
};

/** The snapshot of settings with these own domains, in one organization. */
export function snapshotOf(domains: Readonly<Record<string, object>>): Snapshot {
  const [primaryDomain] = Object.keys(domains);
  const { settings, issues } = validate({
    version: 1,
    organizations: { acme: { primaryDomain, domains } },
  });
  if (settings === null) throw new Error(JSON.stringify(issues));
  const loopback = parseIpRange('127.0.0.0/8');
  if (!loopback.ok) throw new Error(loopback.error.message);
  const compiled = compile(
    settings,
    { lists: new Map(), recipientLists: new Map(), smtpdListeners: [], localAddresses: [] },
    {
      trustedNetworks: [loopback.value],
      internalDomain: domain('route.postern.internal'),
      reinjectionServices: [],
      recipientDelimiter: '',
      authservId: 'mx.a.example',
    },
    'aaaabbbbcccc' as RevisionId,
  );
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

/** The real judge on a snapshot. */
export const judgeOf = (snapshot: Snapshot, log: Log, meters: PrometheusMeters): Judge =>
  createJudge(() => snapshot, { now: () => Date.now() }, log, meters);

/** Runs with a directory of its own, and removes it. */
export async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-door-'));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

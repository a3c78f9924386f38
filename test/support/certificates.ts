/** Certificates for tests, made by openssl(1): an authority, what it issues, and what signs itself. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A key and its certificate, as PEM. */
export interface Credentials {
  readonly key: string;
  readonly certificate: string;
}

export interface CertificateOptions {
  readonly commonName?: string;
  /** DNS names; none unless given. */
  readonly names?: readonly string[];
  /** How long it is valid from now; below 0 it is over. */
  readonly days?: number;
}

/** A certificate that signs itself; one of an authority where the subject is nobody's server. */
export const selfSigned = (options: CertificateOptions = {}): Promise<Credentials> =>
  inDirectory(async (directory) => {
    const days = String(options.days ?? 30);
    await run('openssl', ['req', '-x509', ...KEY, '-days', days, ...subject(options), ...files(directory)]);
    return read(directory);
  });

/** A certificate signed by an authority. */
export const issuedBy = (authority: Credentials, options: CertificateOptions = {}): Promise<Credentials> =>
  inDirectory(async (directory) => {
    const at = (name: string): string => join(directory, name);
    await writeFile(at('ca.pem'), authority.certificate);
    await writeFile(at('ca.key'), authority.key);
    await run('openssl', [
      'req',
      '-new',
      ...KEY,
      ...subject({ ...options, names: [] }),
      '-keyout',
      at('key.pem'),
      '-out',
      at('request.pem'),
    ]);
    await writeFile(at('extensions'), extensions(options.names ?? []));
    await run('openssl', [
      ...['x509', '-req', '-in', at('request.pem'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'],
      ...['-days', String(options.days ?? 30), '-extfile', at('extensions'), '-out', at('certificate.pem')],
    ]);
    return read(directory);
  });

/** The name under which OpenSSL looks for an authority in a directory of them. */
export const hashName = (authority: Credentials): Promise<string> =>
  inDirectory(async (directory) => {
    await writeFile(join(directory, 'ca.pem'), authority.certificate);
    const { stdout } = await run('openssl', ['x509', '-noout', '-hash', '-in', join(directory, 'ca.pem')]);
    return `${stdout.trim()}.0`;
  });

const extensions = (names: readonly string[]): string =>
  names.length === 0 ? '' : `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}\n`;

function subject({ commonName = 'test', names = [] }: CertificateOptions): string[] {
  return ['-subj', `/CN=${commonName}`, ...(names.length === 0 ? [] : ['-addext', extensions(names).trim()])];
}

const files = (directory: string): string[] => [
  ...['-keyout', join(directory, 'key.pem')],
  ...['-out', join(directory, 'certificate.pem')],
];

async function read(directory: string): Promise<Credentials> {
  const text = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');
  return { key: await text('key.pem'), certificate: await text('certificate.pem') };
}

async function inDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-certificates-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/**
 * The CAs that Postfix's SMTP client trusts, or those of the system. Reads them; trusts nobody by itself.
 * Source: postconf(5) smtp_tls_CAfile, smtp_tls_CApath, tls_append_default_CA.
 */
import { X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { reasonOf } from '../files/index.ts';

/** CAs as PEM, and where they come from. `faults`: what could not be read. */
export type TrustAnchors = {
  readonly source: string;
  readonly certificates: readonly string[];
  readonly faults: readonly string[];
};

/** What Postfix says of CAs; empty texts: not set. */
export type CaSettings = { readonly caFile: string; readonly caPath: string; readonly appendsDefaultCa: boolean };

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The CAs of Postfix, or with null those of the system. Never throws: a file that cannot be read is a fault. */
export async function readTrustAnchors(settings: CaSettings | null): Promise<TrustAnchors> {
  if (settings === null) return { source: "the system's CAs", certificates: getCACertificates('system'), faults: [] };
  const { caFile, caPath, appendsDefaultCa } = settings;
  const faults: string[] = [];
  const attempt = async (what: string, read: () => Promise<string[]>): Promise<string[]> => {
    try {
      return await read();
    } catch (error) {
      faults.push(`${what} cannot be read: ${reasonOf(error)}`);
      return [];
    }
  };
  const file = caFile === '' ? [] : await attempt(`smtp_tls_CAfile ${caFile}`, () => readCertificates(caFile));
  const path = caPath === '' ? [] : await attempt(`smtp_tls_CApath ${caPath}`, () => readDirectory(caPath));
  const system = appendsDefaultCa ? getCACertificates('system') : [];
  const names = [
    ...(caFile === '' ? [] : [`smtp_tls_CAfile ${caFile}`]),
    ...(caPath === '' ? [] : [`smtp_tls_CApath ${caPath}`]),
    ...(appendsDefaultCa ? ["the system's CAs"] : []),
  ];
  return { source: names.join(' and '), certificates: [...file, ...path, ...system], faults };
}

async function readCertificates(file: string): Promise<string[]> {
  const blocks = (await readFile(file, 'latin1')).match(BLOCK) ?? [];
  return blocks.filter(isCertificate);
}

/** OpenSSL looks at the files that c_rehash(1) names: eight hexadecimal digits of the subject, and a number. */
async function readDirectory(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => /^[0-9a-f]{8}\.[0-9]+$/.test(name));
  return (await Promise.all(names.map((name) => readCertificates(join(directory, name))))).flat();
}

/** What is none, OpenSSL passes over too. */
function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

/** The CAs of Postfix, out of a file and a directory, and those of the system. */
import { join } from 'node:path';
import { getCACertificates } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { readTrustAnchors } from '../../../src/adapters/smtp-probe/index.ts';
import { hashName, selfSigned } from '../../support/certificates.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const UNSET = { caFile: '', caPath: '', appendsDefaultCa: false };

describe('the CAs', () => {
  it('of smtp_tls_CAfile: each certificate in it, other text and broken ones passed over', async () => {
    const [one, two] = [await selfSigned({ commonName: 'one' }), await selfSigned({ commonName: 'two' })];
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    const directory = await temporaryDirectory({
      'ca.pem': `# CAs\n${one.certificate}${broken}\nmore\n${two.certificate}${one.key}`,
    });
    const caFile = join(directory, 'ca.pem');
    expect(await readTrustAnchors({ ...UNSET, caFile })).toEqual({
      source: `smtp_tls_CAfile ${caFile}`,
      certificates: [one.certificate.trim(), two.certificate.trim()],
      faults: [],
    });
  });

  it('of smtp_tls_CApath: what OpenSSL finds there, under its hash', async () => {
    const authority = await selfSigned({ commonName: 'one' });
    const directory = await temporaryDirectory({
      'one.pem': authority.certificate,
      [await hashName(authority)]: authority.certificate,
    });
    const { certificates, source } = await readTrustAnchors({ ...UNSET, caPath: directory });
    expect(certificates).toEqual([authority.certificate.trim()]);
    expect(source).toBe(`smtp_tls_CApath ${directory}`);
  });

  it('what cannot be read is a fault, and the rest counts', async () => {
    const { certificates, faults } = await readTrustAnchors({
      caFile: '/no/such/ca.pem',
      caPath: '/no/such/directory',
      appendsDefaultCa: true,
    });
    expect(faults).toEqual([
      'smtp_tls_CAfile /no/such/ca.pem cannot be read: there is no such file',
      'smtp_tls_CApath /no/such/directory cannot be read: there is no such file',
    ]);
    expect(certificates).toEqual(getCACertificates('system'));
  });

  it('of nobody, where nothing is set; of the system, where there is no Postfix', async () => {
    expect(await readTrustAnchors(UNSET)).toEqual({ source: '', certificates: [], faults: [] });
    expect(await readTrustAnchors(null)).toEqual({
      source: "the system's CAs",
      certificates: getCACertificates('system'),
      faults: [],
    });
  });
});

/**
 * What a server's certificate says, and whether the CAs that were asked for stand behind it. Compares no names.
 * Source: RFC 5280 §4.2.1.6 (subject alternative names), RFC 6125 §6.4.4.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** A certificate. Texts come from the server and may hold anything printable. */
export type CertificateFacts = {
  readonly subject: string;
  readonly issuer: string;
  /** The names that clients compare: the DNS names, or the common name where there is no DNS name. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly validFrom: number;
  readonly validTo: number;
  /** Why the CAs do not stand behind it; null where they do. */
  readonly fault: string | null;
};

/** The certificate of the other end; null where it showed none. */
export function readCertificate(socket: TLSSocket): CertificateFacts | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  // Null where the chain is good; otherwise a code, whatever its type says.
  const code = socket.authorizationError as unknown as string | null | undefined;
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    names: namesOf(certificate),
    validFrom: certificate.validFromDate.getTime(),
    validTo: certificate.validToDate.getTime(),
    fault: socket.authorized ? null : (FAULTS[String(code)] ?? String(code)),
  };
}

/** `CN=mx.example.net, O=Example`. */
const oneLine = (name: string): string => name.trim().replace(/\p{Cc}+/gu, ', ');

function namesOf(certificate: X509Certificate): string[] {
  // In quotes stands what is no plain name: such a one never matches.
  const alternative = [...(certificate.subjectAltName ?? '').matchAll(/(?:^|, )DNS:([^",]+)(?=,|$)/g)];
  if (alternative.length > 0) return alternative.map(([, name = '']) => name);
  const { CN } = certificate.toLegacyObject().subject as { readonly CN?: string | readonly string[] };
  return CN === undefined ? [] : [CN].flat();
}

/** Source: the codes of X509_verify_cert_error_string(3). */
const FAULTS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its CA is none of them',
  UNABLE_TO_GET_ISSUER_CERT: 'its CA is none of them',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its CA is none of them, or a certificate between is missing',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its CA is none of them, or a certificate between is missing',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  INVALID_PURPOSE: 'it is not for servers',
};

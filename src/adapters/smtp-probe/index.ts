/** The face of the SMTP probe. */
export type { CertificateFacts } from './certificate.ts';
export { probeServer, type Probe, type ProbeLimits } from './probe.ts';
export { readTrustAnchors, type TrustAnchors } from './trust-anchors.ts';

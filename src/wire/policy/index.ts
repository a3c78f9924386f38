/**
 * The face of the policy codec: requests in, actions out.
 * Never opens a socket and never decides.
 * Source: Postfix SMTPD_POLICY_README.
 */
export { PolicyDecoder } from './decoder.ts';
export type { PolicyDecoderLimits, PolicyEvent, PolicyRequest } from './decoder.ts';
export { encodeAction, maxActionOctets } from './encoder.ts';
export { decodeXtext } from './xtext.ts';

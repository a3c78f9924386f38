/**
 * What an xtext value says, such as the certificate names of a policy request.
 * Never refuses: what is no valid escape stays as typed.
 * Source: RFC 3461 §4; Postfix SMTPD_POLICY_README (ccert_subject, ccert_issuer).
 */
import { Buffer, isUtf8 } from 'node:buffer';

/**
 * Replaces each `+HH` (two hexadecimal digits, upper or lower case as Postfix reads them) by its octet. Neighbouring
 * octets become UTF-8 text where they are valid UTF-8, else one character each. The result may hold control characters.
 * Source: RFC 3461 §4; Postfix xtext(3).
 */
export function decodeXtext(text: string): string {
  return text.replace(/(?:\+[0-9A-Fa-f]{2})+/g, (escapes) => {
    const octets = Buffer.from(escapes.replaceAll('+', ''), 'hex');
    return octets.toString(isUtf8(octets) ? 'utf8' : 'latin1');
  });
}

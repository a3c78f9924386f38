/**
 * Makes the DKIM-Signature fields that a decision asks for. The private keys stay in the vault.
 * Source: RFC 6376 §3.7, §5.
 */
import type { MessageDecision } from '../decide/index.ts';
import { prepareSignature, type HeaderField } from '../dkim/index.ts';
import type { Clock, KeyVault } from './ports.ts';

/** Values of DKIM-Signature fields, LF-folded, without leading space. */
export type Signer = {
  sign(
    signatures: MessageDecision['signing']['signatures'],
    headers: readonly HeaderField[],
    bodyHash: Uint8Array,
  ): Promise<readonly string[]>;
};

/** A signer over a vault. Errors: rejects where a key cannot be used; the message must then wait, not go out unsigned. */
export function createSigner(vault: KeyVault, clock: Clock): Signer {
  return {
    sign: (signatures, headers, bodyHash) =>
      Promise.all(
        signatures.map(async ({ domain, key }) => {
          const { selector, algorithm } = key;
          const timestampSeconds = Math.floor(clock.now() / 1000);
          const prepared = prepareSignature({ domain, selector, algorithm, timestampSeconds, headers, bodyHash });
          return prepared.complete(await vault.sign(domain, selector, prepared.bytesToSign));
        }),
      ),
  };
}

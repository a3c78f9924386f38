/**
 * What goes wrong in the milter protocol: the MTA broke it, or we were about to.
 * Never carries message content. The folder has its own classes because it imports nothing from outside.
 * Source: libmilter, mfdef.h and mfapi.h (there is no RFC).
 */

/** `offset`: for a fault of the MTA octets since the connection began, for one of ours octets into the refused text. */
export type MilterFault = { readonly code: string; readonly protocol: string; readonly offset: number };

const PROTOCOL = 'Sendmail milter protocol';

/** The MTA broke the protocol: log a warning and close. The protocol has no error reply. */
export class PeerProtocolError extends Error {
  readonly fault: MilterFault;
  constructor(code: string, message: string, offset: number) {
    super(message);
    this.name = 'PeerProtocolError';
    this.fault = { code, protocol: PROTOCOL, offset };
  }
}

/** We were about to send what the protocol forbids: an error of ours. Nothing was sent and nothing has changed. */
export class LocalProtocolError extends Error {
  readonly fault: MilterFault;
  constructor(code: string, message: string, offset = 0) {
    super(message);
    this.name = 'LocalProtocolError';
    this.fault = { code, protocol: PROTOCOL, offset };
  }
}

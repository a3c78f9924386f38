/**
 * What a codec throws: the peer broke the protocol, or we were about to.
 * Never carries message content beyond a short excerpt.
 */

/** Where in the protocol a fault lies. `offset` counts octets from the start of the connection. */
export type ProtocolFault = { readonly code: string; readonly protocol: string; readonly offset: number };

/** The peer broke the protocol: the connection is closed and a warning logged. */
export class PeerProtocolError extends Error {
  readonly fault: ProtocolFault;
  constructor(message: string, fault: ProtocolFault) {
    super(message);
    this.name = 'PeerProtocolError';
    this.fault = fault;
  }
}

/** We were about to send what the protocol forbids: an error of ours, logged as such. */
export class LocalProtocolError extends Error {
  readonly fault: ProtocolFault;
  constructor(message: string, fault: ProtocolFault) {
    super(message);
    this.name = 'LocalProtocolError';
    this.fault = fault;
  }
}

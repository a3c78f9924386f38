/** What the server at the other end does wrong, or cannot do: a sentence fragment that the server's name goes before. */

/** Ends a conversation. Its message continues "the server …". */
export class PeerFault extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PeerFault';
  }
}

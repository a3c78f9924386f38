/**
 * What a milter connection has told so far, in our words. Cleared level by level as the protocol clears it.
 * Source: Postfix MILTER_README (macros), libmilter (state table).
 */
import type { EnvelopeRecipient } from '../../answers/index.ts';
import { parseAddress, parseClientAddress, withoutSourceRoute, type Address } from '../../mail/index.ts';
import type { Client, HeaderField, MessageTransaction } from '../../decide/index.ts';
import { authorOf, type UnknownRecipient } from '../../services/index.ts';
import { macro, type MilterEvent } from '../../wire/milter/index.ts';

type EventOf<K extends MilterEvent['kind']> = Extract<MilterEvent, { kind: K }>;

/** How many recipients that do not exist are remembered of one message; smtpd ends a session long before. */
const MOST_UNKNOWN = 1000;

/** The local-part of Postfix's sender where a bounce itself may not bounce, in its default configuration. */
const DOUBLE_BOUNCE = 'double-bounce';

/** Collects one connection: the client for its life, a message from MAIL to its end. */
export class MilterTransaction {
  #client: Client = { kind: 'unknown' };
  /** Postfix shows mail of sendmail(1) as 127.0.0.1 with port 0, and such mail has its queue id at MAIL already. */
  #mayBeLocal = false;
  #daemonName: string | null = null;
  #encrypted = false;
  #saslUsername: string | null = null;
  #sender: Address | null = null;
  #recipients: EnvelopeRecipient[] = [];
  #unknownRecipients: Address[] = [];
  #headers: HeaderField[] = [];
  #queueId: string | null = null;
  #isLocal = false;

  get headers(): readonly HeaderField[] {
    return this.#headers;
  }

  /** The recipients that were taken, with what the protocol needs to change them. */
  get recipients(): readonly EnvelopeRecipient[] {
    return this.#recipients;
  }

  get queueId(): string | null {
    return this.#queueId;
  }

  /**
   * A notice of bounce(8), as far as the envelope tells: local mail with the null sender, or with that of its copies to
   * the postmaster. Source: postconf(5) notify_classes, double_bounce_sender.
   */
  get isLocalBounce(): boolean {
    return this.#isLocal && (this.#sender === null || this.#sender.localPart.toLowerCase() === DOUBLE_BOUNCE);
  }

  connect(event: EventOf<'connect'>): void {
    this.forgetClient();
    const address = event.family === 'inet' || event.family === 'inet6' ? parseClientAddress(event.address) : null;
    this.#client = address === null ? { kind: 'unknown' } : { kind: 'smtp', address };
    this.#mayBeLocal =
      address !== null && event.family !== 'unknown' && event.port === 0 && event.hostname === 'localhost';
    this.#daemonName = valueOf(event, '{daemon_name}');
  }

  helo(event: EventOf<'helo'>): void {
    this.#encrypted = valueOf(event, '{tls_version}') !== null;
  }

  mail(event: EventOf<'mail'>): void {
    this.reset();
    this.#sender = parseAddress(asText(event.sender));
    this.#saslUsername = valueOf(event, '{auth_authen}');
    this.#queueId = valueOf(event, 'i');
    this.#isLocal = this.#mayBeLocal && this.#queueId !== null;
  }

  /**
   * A recipient that Postfix has refused because it does not exist (5.1.1); null for all others.
   * Source: Postfix MILTER_README, {rcpt_mailer} and {rcpt_host} of rejected recipients; RFC 3463 §3.2.
   */
  unknownRecipient(event: EventOf<'rcpt'>): UnknownRecipient | null {
    // An accepted recipient with the transport error(8) has its whole text there.
    if (!event.isRejected || valueOf(event, '{rcpt_host}') !== '5.1.1') return null;
    const recipient = parseAddress(asText(event.recipient));
    if (recipient === null) return null;
    if (this.#unknownRecipients.length < MOST_UNKNOWN) this.#unknownRecipients.push(recipient);
    return { client: this.#client, saslUsername: this.#saslUsername, daemonName: this.#daemonName, recipient };
  }

  recipient(event: EventOf<'rcpt'>): void {
    const address = event.isRejected ? null : parseAddress(asText(event.recipient));
    if (address === null) return;
    const { recipient, args: parameters } = event;
    // Postfix keeps the address without it, and would find nothing to delete.
    const exact = withoutSourceRoute(recipient);
    this.#recipients.push({ address, resolved: resolvedOf(event), exact, parameters });
  }

  header(event: EventOf<'header'>): void {
    this.#headers.push({ name: event.name, value: event.rawValue });
  }

  /** The queue id comes late: smtpd opens the queue file after the first recipient. */
  noteQueueId(event: EventOf<'endOfHeaders' | 'endOfMessage' | 'data'>): void {
    this.#queueId = valueOf(event, 'i') ?? this.#queueId;
  }

  /** Forgets the client: the connection goes on with another. */
  forgetClient(): void {
    this.#client = { kind: 'unknown' };
    this.#mayBeLocal = false;
    this.#daemonName = null;
    this.#encrypted = false;
  }

  /** Forgets the message, not the client. */
  reset(): void {
    this.#sender = null;
    this.#saslUsername = null;
    this.#recipients = [];
    this.#unknownRecipients = [];
    this.#headers = [];
    this.#queueId = null;
    this.#isLocal = false;
  }

  /** The message as it stands at the end of its headers, but for the time. */
  message(): Omit<MessageTransaction, 'at'> {
    return {
      client: this.#isLocal ? { kind: 'local' } : this.#client,
      saslUsername: this.#saslUsername,
      daemonName: this.#daemonName,
      encrypted: this.#encrypted,
      sender: this.#sender,
      recipients: this.#recipients,
      headers: this.#headers,
      author: authorOf(this.#headers),
      ...(this.#unknownRecipients.length > 0 && { unknownRecipients: this.#unknownRecipients }),
    };
  }
}

/** What Postfix makes of a recipient; null unless it tells all of it. */
function resolvedOf(event: EventOf<'rcpt'>): EnvelopeRecipient['resolved'] {
  const address = parseAddress(valueOf(event, '{rcpt_addr}') ?? '');
  const mailer = valueOf(event, '{rcpt_mailer}');
  const host = valueOf(event, '{rcpt_host}');
  return address === null || mailer === null || host === null ? null : { address, mailer, host };
}

/** A macro's value; an empty one is as good as none: an empty user name is no proof of anything. */
function valueOf(event: Parameters<typeof macro>[0], name: string): string | null {
  const value = macro(event, name) ?? '';
  return value === '' ? null : asText(value);
}

/** Octets given as latin1, read as UTF-8 where they are (RFC 6531). */
function asText(latin1: string): string {
  // eslint-disable-next-line no-control-regex -- the range is ASCII itself
  return /^[\x00-\x7f]*$/.test(latin1) ? latin1 : Buffer.from(latin1, 'latin1').toString('utf8');
}

/**
 * What an SMTP server says of itself, as far as a client gets without sending mail: greeting, EHLO, STARTTLS, the
 * certificate, EHLO again, QUIT. Decides nothing.
 * Source: RFC 5321 §3.1, §3.2, §4.1.1.1; RFC 3207 §4.2.
 */
import { readCertificate, type CertificateFacts } from './certificate.ts';
import { Conversation, type ProbeLimits } from './conversation.ts';
import { PeerFault } from './peer-fault.ts';
import { replyText, shown, type SmtpReply } from './reply-reader.ts';

export type { ProbeLimits } from './conversation.ts';

const LIMITS: ProbeLimits = { connectMs: 10_000, replyMs: 30_000, handshakeMs: 10_000 };

/** How far a client got, in order. */
type Stage = 'connect' | 'greeting' | 'hello' | 'starttls' | 'handshake' | 'hello-in-tls';

/** What was found. What was not come to is null. */
export type Probe = {
  readonly isConnected: boolean;
  /** The reply on one line. */
  readonly greeting: string | null;
  /** What it calls itself in its reply to EHLO or HELO. */
  readonly name: string | null;
  /** What it offers in clear, each with its parameters, in capitals; empty where it knows no EHLO. */
  readonly offers: readonly string[] | null;
  readonly startTls: 'not-offered' | 'refused' | 'failed' | 'done' | null;
  readonly protocol: string | null;
  readonly cipher: string | null;
  readonly certificate: CertificateFacts | null;
  /** What it offers in TLS. */
  readonly offersInTls: readonly string[] | null;
  /** What ended it early. `reason` continues "the server …". */
  readonly fault: { readonly stage: Stage; readonly reason: string } | null;
};

/** Whom to ask, and as whom. */
export type ProbeTarget = {
  /** An IP address without brackets. */
  readonly address: string;
  readonly port: number;
  readonly heloName: string;
  /** CAs as PEM. */
  readonly anchors: readonly string[];
  readonly limits?: ProbeLimits;
};

/** Asks. Never throws for what the server does. */
export async function probeServer({ limits = LIMITS, ...target }: ProbeTarget): Promise<Probe> {
  const found: Found = { ...NOTHING };
  const progress: Progress = { stage: 'connect' };
  let conversation: Conversation | null = null;
  try {
    conversation = await Conversation.open(target.address, target.port, limits);
    found.isConnected = true;
    await talk(conversation, target, found, progress);
    await conversation.close(true);
  } catch (error) {
    await conversation?.close(error instanceof Refusal);
    if (!(error instanceof PeerFault)) throw error;
    found.fault = { stage: progress.stage, reason: error.message };
    if (progress.stage === 'handshake') found.startTls = 'failed';
  }
  return found;
}

type Found = { -readonly [Key in keyof Probe]: Probe[Key] };
type Progress = { stage: Stage };

const NOTHING: Probe = {
  ...{ isConnected: false, greeting: null, name: null, offers: null, startTls: null },
  ...{ protocol: null, cipher: null, certificate: null, offersInTls: null, fault: null },
};

/** A server that says no, in order: it is told good-bye. */
class Refusal extends PeerFault {}

async function talk(
  conversation: Conversation,
  { heloName, anchors }: ProbeTarget,
  found: Found,
  progress: Progress,
): Promise<void> {
  progress.stage = 'greeting';
  const greeting = await conversation.reply();
  found.greeting = replyText(greeting);
  if (!isGood(greeting)) throw new Refusal(`greets with "${replyText(greeting)}"`);
  progress.stage = 'hello';
  const hello = await sayHello(conversation, heloName);
  found.name = hello.name;
  found.offers = hello.offers;
  if (!hello.offers.includes('STARTTLS')) {
    found.startTls = 'not-offered';
    return;
  }
  progress.stage = 'starttls';
  const answer = await conversation.command('STARTTLS');
  if (!isGood(answer)) {
    found.startTls = 'refused';
    throw new Refusal(`answers STARTTLS with "${replyText(answer)}"`);
  }
  progress.stage = 'handshake';
  const socket = await conversation.startTls(anchors);
  found.startTls = 'done';
  found.protocol = socket.getProtocol();
  found.cipher = socket.getCipher().standardName;
  found.certificate = readCertificate(socket);
  progress.stage = 'hello-in-tls';
  found.offersInTls = (await sayHello(conversation, heloName)).offers;
}

/** EHLO, or HELO where the server does not know that. Source: RFC 5321 §3.2. */
async function sayHello(
  conversation: Conversation,
  heloName: string,
): Promise<{ readonly name: string; readonly offers: readonly string[] }> {
  const extended = await conversation.command(`EHLO ${heloName}`);
  const [first = '', ...others] = extended.lines;
  const nameIn = (line: string): string => shown(line.split(/[ \t]/)[0] ?? '');
  if (isGood(extended)) return { name: nameIn(first), offers: others.map((line) => shown(line.trim().toUpperCase())) };
  const plain = await conversation.command(`HELO ${heloName}`);
  if (!isGood(plain)) throw new Refusal(`answers EHLO with "${replyText(extended)}"`);
  return { name: nameIn(plain.lines[0] ?? ''), offers: [] };
}

const isGood = ({ code }: SmtpReply): boolean => code >= 200 && code < 300;

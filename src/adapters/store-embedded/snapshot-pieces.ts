/**
 * How a snapshot goes from the thread that compiled it to the one that answers: in pieces, and only those that are new
 * there. Taking one in costs a few milliseconds at most, so that an edit of one list of thousands holds up no answer.
 * Source: node:v8 (serialize), the structured clone algorithm of the HTML standard (transfer).
 */
import { createHash } from 'node:crypto';
import { serialize } from 'node:v8';
import type { IpSet, RecipientList } from '../../mail/index.ts';
import type { DomainPolicy, ListedIps, RecipientSource, Snapshot } from '../../snapshot/index.ts';

/** A source whose list stands as its print: domains may share a long file. */
type SourceRest =
  | Exclude<RecipientSource, { kind: 'file' }>
  | (Omit<Extract<RecipientSource, { kind: 'file' }>, 'list'> & { readonly list: string });
type PolicyRest = Omit<DomainPolicy, 'allowed' | 'blocked' | 'recipients'> & {
  readonly recipients: readonly SourceRest[] | null;
};
type PieceValue = PolicyRest | ListedIps | RecipientList;

/** A part of a snapshot under its print: pieces with one print are equal. */
export type Piece = { readonly print: string; readonly value: PieceValue };

/** The prints of a domain's pieces. */
type Prints = { readonly rest: string; readonly allowed: string; readonly blocked: string };

/** All of a snapshot but its pieces, which stand as their prints, in the order of the domains. */
export type SnapshotFrame = Omit<Snapshot, 'domains'> & { readonly policies: readonly Prints[] };

/** Takes a snapshot apart; `pieces` are those that are not in `known`. */
export function takeApart(
  snapshot: Snapshot,
  known: ReadonlySet<string>,
): { readonly frame: SnapshotFrame; readonly pieces: readonly Piece[] } {
  const pieces = new Map<string, Piece>();
  const printOf = (value: PieceValue): string => {
    const print = printOfPiece(value);
    if (!known.has(print)) pieces.set(print, { print, value });
    return print;
  };
  const printed = new Map<RecipientList, string>();
  const printOfList = (list: RecipientList): string => {
    const print = printed.get(list) ?? printOf(list);
    printed.set(list, print);
    return print;
  };
  const { domains, ...others } = snapshot;
  const policies = [...domains.values()].map(({ allowed, blocked, recipients, ...rest }) => {
    const sources = recipients?.map((source): SourceRest =>
      source.kind === 'map' ? source : { ...source, list: printOfList(source.list) },
    );
    return {
      rest: printOf({ ...rest, recipients: sources ?? null }),
      allowed: printOf(allowed),
      blocked: printOf(blocked),
    };
  });
  return { frame: { ...others, policies }, pieces: [...pieces.values()] };
}

/**
 * The print of a piece. The columns of a list are hashed where they lie: to serialize a million entries takes tens of
 * megabytes more, which the allocator then keeps.
 */
function printOfPiece(value: PieceValue): string {
  const hash = createHash('sha256');
  if ('starts' in value) return hash.update('recipients').update(value.starts).update(value.text).digest('base64');
  if (!('set' in value)) return hash.update(serialize(value)).digest('base64');
  const { set, ...others } = value;
  const columns = [set.expiresAt, ...columnsOf(set)];
  hash.update(serialize([others, set.size, columns.map(({ length }) => length)]));
  for (const column of columns) hash.update(column);
  return hash.digest('base64');
}

const columnsOf = ({ v4, v6 }: IpSet): Uint32Array[] =>
  [v4, v6].flatMap(({ first, last, line, entry }) => [first, last, line, entry]);

/** Copying less than this costs less than handing it over. */
const WORTH_HANDING_OVER = 65_536;

/** The memory of a piece that changes hands without a copy: what a list of a million entries consists of. */
export function transferable({ value }: Piece): ArrayBuffer[] {
  if ('starts' in value) {
    const buffers = [value.text.buffer as ArrayBuffer, value.starts.buffer as ArrayBuffer];
    return value.starts.byteLength < WORTH_HANDING_OVER ? [] : buffers;
  }
  if (!('set' in value) || value.set.expiresAt.buffer.byteLength < WORTH_HANDING_OVER) return [];
  const columns = [value.set.expiresAt, ...columnsOf(value.set)];
  return [...new Set(columns.map(({ buffer }) => buffer as ArrayBuffer))];
}

/** Puts snapshots together. What did not change since the last one is the same object again. */
export class SnapshotAssembly {
  #pieces = new Map<string, PieceValue>();
  #policies = new Map<string, DomainPolicy>();

  /** The prints of the pieces that need not be sent again. */
  known(): string[] {
    return [...this.#pieces.keys()];
  }

  take({ print, value }: Piece): void {
    this.#pieces.set(print, value);
  }

  /** The snapshot; pieces that are not in it are forgotten. */
  assemble({ policies: prints, ...others }: SnapshotFrame): Snapshot {
    const pieces = new Map<string, PieceValue>();
    const piece = (print: string): PieceValue => {
      const value = this.#pieces.get(print);
      if (value === undefined) throw new Error('a piece of the snapshot is missing');
      pieces.set(print, value);
      return value;
    };
    const policies = new Map<string, DomainPolicy>();
    for (const { rest, allowed, blocked } of prints) {
      const key = [rest, allowed, blocked].join(' ');
      const [own, allowedIps, blockedIps] = [piece(rest) as PolicyRest, piece(allowed), piece(blocked)];
      const recipients =
        own.recipients?.map((source): RecipientSource =>
          source.kind === 'map' ? source : { ...source, list: piece(source.list) as RecipientList },
        ) ?? null;
      policies.set(
        key,
        this.#policies.get(key) ?? ({ ...own, recipients, allowed: allowedIps, blocked: blockedIps } as DomainPolicy),
      );
    }
    this.#pieces = pieces;
    this.#policies = policies;
    return { ...others, domains: new Map([...policies.values()].map((policy) => [policy.domain, policy])) };
  }
}

/**
 * Which macros hold at an event, by the command they came with.
 * Never changes a set that was handed out: an event keeps the macros of its moment.
 * Source: libmilter, engine.c (st_macros, mi_clr_macros); Postfix MILTER_README.
 */
import { stringsOf } from './commands.ts';
import { SMFIC } from './constants.ts';

/** The levels, in the order of events. A macro packet of one level ends those of the later ones. */
export const level = {
  connect: 0,
  helo: 1,
  mail: 2,
  rcpt: 3,
  data: 4,
  header: 5,
  endOfHeaders: 6,
  body: 7,
  endOfMessage: 8,
  unknown: 9,
} as const;

const LEVELS: ReadonlyMap<number, number> = new Map<number, number>([
  [SMFIC.CONNECT, level.connect],
  [SMFIC.HELO, level.helo],
  [SMFIC.MAIL, level.mail],
  [SMFIC.RCPT, level.rcpt],
  [SMFIC.DATA, level.data],
  [SMFIC.HEADER, level.header],
  [SMFIC.EOH, level.endOfHeaders],
  [SMFIC.BODY, level.body],
  [SMFIC.BODYEOB, level.endOfMessage],
  [SMFIC.UNKNOWN, level.unknown],
]);

/** The level of a command, or undefined for one that has none. */
export function levelOf(code: number): number | undefined {
  return LEVELS.get(code);
}

/** The macros that hold at an event, one set a level; use `macro` to look one up. */
export type Macros = readonly (ReadonlyMap<string, string> | undefined)[];

/**
 * The value of a macro at an event, from the latest level that has it; undefined where the MTA gave none. `name` as on
 * the wire: one letter (`i`) or in braces (`{auth_authen}`). The value is latin1, one character per octet, and can be
 * empty. At later events a macro of RCPT is that of the last recipient.
 * Source: libmilter, smfi_getsymval.
 */
export function macro(event: { readonly macros: Macros }, name: string): string | undefined {
  const key = plainName(name);
  for (let at = event.macros.length - 1; at >= 0; at -= 1) {
    const value = event.macros[at]?.get(key);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** `{i}` and `i` are the same macro. */
function plainName(name: string): string {
  return name.length === 3 && name.startsWith('{') ? name.charAt(1) : name;
}

const NONE: Macros = [];

/** The macros of one connection. Macros belong to their command: one that comes without any has none left of the last. */
export class MacroLevels {
  #levels: Macros = NONE;
  /** A bit for each level whose macros have come but whose command has not. */
  #fresh = 0;
  // Postfix repeats the queue id before every header and chunk: the same text is read once.
  #lastText = '';
  #lastSet: ReadonlyMap<string, string> = new Map();

  /** Takes the pairs of a macro packet. Returns the count of strings, or undefined if the last has no NUL. */
  receive(at: number, text: string): number | undefined {
    let count = 0;
    if (text !== this.#lastText) {
      const strings = stringsOf(text);
      if (strings === undefined) return undefined;
      count = strings.length;
      this.#lastSet = pairsOf(strings);
      // Text with an odd tail is read anew each time, so that each is reported.
      this.#lastText = count % 2 === 0 ? text : UNREPEATED;
    }
    this.#fresh = (this.#fresh & (2 ** at - 1)) | (1 << at);
    if (this.#levels[at] !== this.#lastSet || this.#levels.length > at + 1) this.#set(at, this.#lastSet);
    return count;
  }

  /** The macros at a command of this level, which begins now. */
  enter(at: number): Macros {
    const bit = 1 << at;
    if ((this.#fresh & bit) === 0 && this.#levels[at] !== undefined) this.#levels = this.#levels.with(at, undefined);
    this.#fresh &= ~bit;
    return this.#levels;
  }

  /** Forgets what belongs to one SMTP command. */
  drop(at: number): void {
    if (this.#levels[at] !== undefined) this.#levels = this.#levels.with(at, undefined);
  }

  /** Forgets the macros of the message. With `next`, those that came ahead of the command of that level stay. */
  endMessage(next = -1): void {
    const kept = this.#fresh & (2 ** Math.max(next + 1, level.mail) - 1);
    this.#levels = this.#levels.map((set, at) => (at < level.mail || (kept & (1 << at)) !== 0 ? set : undefined));
    this.#fresh = kept;
  }

  /** Forgets everything: the SMTP client is gone. */
  endClient(): void {
    this.#levels = NONE;
    this.#fresh = 0;
  }

  #set(at: number, set: ReadonlyMap<string, string>): void {
    const levels = this.#levels.slice(0, at);
    while (levels.length < at) levels.push(undefined);
    levels.push(set);
    this.#levels = levels;
  }
}

/** No macro text equals this, for each ends in NUL. */
const UNREPEATED = '-';

/** Of a macro given twice the first counts; a name without a value, at the end, is left out. */
function pairsOf(strings: readonly string[]): ReadonlyMap<string, string> {
  const set = new Map<string, string>();
  for (let at = 0; at + 1 < strings.length; at += 2) {
    const name = plainName(strings[at] as string);
    if (!set.has(name)) set.set(name, strings[at + 1] as string);
  }
  return set;
}

/**
 * Lists in main.cf and master.cf: what stands in them, and Postern's items put in or taken out with every other
 * character kept. Source: postconf(5), "{ }" in lists; SMTPD_ACCESS_README; MILTER_README.
 */
import { BLANK, blankComments, onOneLine } from './logical-lines.ts';

/** Restrictions take arguments, so a list of them is split otherwise than a list of words. */
export type ListKind = 'restrictions' | 'words';

/** Items of ours in one list. */
export type ListEdit = {
  readonly name: string;
  readonly kind: ListKind;
  readonly items: readonly string[];
  readonly place: 'first' | 'last';
  /** False where the administrator may choose: items that are there already, anywhere, stay where they are. */
  readonly isPlaceFixed: boolean;
  /** The door that the items ask: an item for the same door is ours whatever its options. Null: compared as text. */
  readonly endpoint: string | null;
  /** What the list is while it is not set; it is kept beside ours. */
  readonly valueIfUnset: string;
  /** Why, for people. */
  readonly comment: string;
};

type Item = { readonly start: number; readonly end: number; readonly text: string };

const SEPARATOR = new RegExp(`[${BLANK},]`);

/** Words apart at commas and blanks, `{ … }` kept together. */
function wordsOf(visible: string): Item[] {
  const words: Item[] = [];
  let start = -1;
  let depth = 0;
  const close = (end: number): void => {
    if (start !== -1) words.push({ start, end, text: onOneLine(visible.slice(start, end)) });
    start = -1;
  };
  for (let at = 0; at < visible.length; at++) {
    const character = visible.charAt(at);
    if (depth === 0 && SEPARATOR.test(character)) {
      close(at);
      continue;
    }
    if (start === -1) start = at;
    if (character === '{') depth++;
    if (character === '}' && depth > 0) depth--;
  }
  close(visible.length);
  return words;
}

const TAKES_ARGUMENT =
  /^(?:check_.*_access|check_policy_service|reject_r(?:bl|hsbl)_.*|permit_(?:dnswl|rhswl)_client|sleep|warn_if_reject)$/i;

/**
 * The items of a list. A restriction keeps what it takes; `warn_if_reject` takes the restriction after it: apart, it
 * would fall upon another one when ours is moved.
 */
function itemsOf(raw: string, kind: ListKind): Item[] {
  const items: Item[] = [];
  let isOpen = false;
  for (const word of wordsOf(blankComments(raw))) {
    const last = isOpen ? items.pop() : undefined;
    items.push(last === undefined ? word : { ...word, start: last.start, text: `${last.text} ${word.text}` });
    isOpen = kind === 'restrictions' && TAKES_ARGUMENT.test(word.text);
  }
  return items;
}

/** The items of a list as text, each on one line. */
export const splitList = (raw: string, kind: ListKind): string[] => itemsOf(raw, kind).map(({ text }) => text);

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether a restriction asks the policy service at `endpoint`. */
export const asksService = (restriction: string, endpoint: string): boolean =>
  new RegExp(`^(?:warn_if_reject )*check_policy_service [{\\s]*${escapeRegExp(endpoint)}(?=[\\s,}]|$)`, 'i').test(
    restriction,
  );

/** Whether an entry of a milter list is the milter at `endpoint`. */
export const isMilterAt = (entry: string, endpoint: string): boolean =>
  new RegExp(`^[{\\s]*${escapeRegExp(endpoint)}(?=[\\s,}]|$)`).test(entry);

function isOurs(text: string, { items, endpoint, kind }: ListEdit): boolean {
  if (items.includes(text)) return true;
  if (endpoint === null) return false;
  return kind === 'restrictions' ? asksService(text, endpoint) : isMilterAt(text, endpoint);
}

/**
 * Whether a list is as `edit` wants it. An item for our door with other options is the administrator's choice and
 * counts, unless it is one of `outdated`: then an earlier apply wrote it.
 */
export function isSettled(raw: string, edit: ListEdit, outdated: readonly string[]): boolean {
  const texts = splitList(raw, edit.kind);
  const counts = (text: string): boolean =>
    edit.items.includes(text) || (!outdated.includes(text) && !/^warn_if_reject /i.test(text));
  const ours = texts.filter((text) => isOurs(text, edit) || outdated.includes(text));
  if (!ours.every(counts) || ours.length < edit.items.length) return false;
  if (!edit.isPlaceFixed) return edit.endpoint !== null || edit.items.every((item) => texts.includes(item));
  const place = edit.place === 'first' ? texts.slice(0, ours.length) : texts.slice(-ours.length);
  return ours.length === edit.items.length && place.every((text) => isOurs(text, edit));
}

/** The list with our items as `edit` wants them; the same text where it is so already. */
export function settleList(raw: string, edit: ListEdit): string {
  if (isSettled(raw, edit, [])) return raw;
  const others = removeWhere(raw, edit.kind, (text) => isOurs(text, edit));
  const items = itemsOf(others, edit.kind);
  const ours = edit.items.join(', ');
  const [first, last] = [items[0], items.at(-1)];
  if (first === undefined || last === undefined) return ours;
  return edit.place === 'first'
    ? `${others.slice(0, first.start)}${ours}, ${others.slice(first.start)}`
    : `${others.slice(0, last.end)}, ${ours}${others.slice(last.end)}`;
}

/** The list without these items, the exact inverse of putting them in. */
export const withoutItems = (raw: string, kind: ListKind, texts: readonly string[]): string =>
  removeWhere(raw, kind, (text) => texts.includes(text));

function removeWhere(raw: string, kind: ListKind, isUnwanted: (text: string) => boolean): string {
  const items = itemsOf(raw, kind);
  const at = items.findLastIndex(({ text }) => isUnwanted(text));
  const item = items[at];
  if (item === undefined) return raw;
  if (items.length === 1) return '';
  const [before, after] = [items[at - 1], items[at + 1]];
  let { start, end } = item;
  if (after !== undefined) end = endOfGap(raw, end, after.start);
  else if (before !== undefined && !hasComment(raw, before.end, start)) start = before.end;
  return removeWhere(raw.slice(0, start) + raw.slice(end), kind, isUnwanted);
}

const hasComment = (raw: string, start: number, end: number): boolean =>
  new RegExp(`[^${BLANK},]`).test(raw.slice(start, end));

/** Up to the next item; only past a comma where a comment lies between, which is not ours. */
function endOfGap(raw: string, start: number, end: number): number {
  if (!hasComment(raw, start, end)) return end;
  return start + (/^[ \t]*,?[ \t]*/.exec(raw.slice(start, end))?.[0].length ?? 0);
}
